"""Agreement on dimensions: figures by hand, intervals over speakers, and their way through reports, folds and files."""

import csv
import json

import numpy as np
import pytest

from ser_tl.errors import ConfigError
from ser_tl.evaluation import Predictions, Ratings, Report
from ser_tl.reporting.plots import confusion_picture, dimensions_picture
from tests.evaluation.samples import LABELS, sample

NAMES = ["arousal", "valence"]


def ratings(utterances=60, *, seed=0, unknown=0):
    """Annotations from 1 to 5, and predictions of a narrower range around them; the first have no valence."""
    draw = np.random.default_rng(seed)
    annotated = draw.integers(2, 11, size=(utterances, 2)) / 2
    predicted = 3 + 0.5 * (annotated - 3) + draw.normal(size=annotated.shape) * (0.3, 1.0)
    annotated[:unknown, 1] = np.nan
    return Ratings(NAMES, annotated, predicted)


def predictions(*, alone=False, prefix="", unknown=7, seed=0):
    one = sample(seed=seed, prefix=prefix)
    probabilities, labels = (np.zeros((60, 0)), []) if alone else (one.probabilities, LABELS)
    own = ratings(seed=seed, unknown=unknown)
    return Predictions(one.ids, one.speakers, one.references, probabilities, labels, own)


def lin(annotated, predicted):
    """Lin 1989, equation 1."""
    both = np.cov(annotated, predicted, bias=True)
    return 2 * both[0, 1] / (both[0, 0] + both[1, 1] + (annotated.mean() - predicted.mean()) ** 2)


def test_figures_are_lins_and_pearsons_over_what_is_annotated():
    one = ratings(unknown=20)
    found = one.score(["s"] * 60)
    for name, rows, place in (("arousal", slice(None), 0), ("valence", slice(20, None), 1)):
        pair = one.annotated[rows, place], one.predicted[rows, place]
        assert found[name].ccc == pytest.approx(lin(*pair), rel=1e-9)
        assert found[name].pearson == pytest.approx(np.corrcoef(*pair)[0, 1], rel=1e-9)
    assert [own.support for own in found.values()] == [60, 40]
    assert one.mean_ccc == pytest.approx(np.mean([own.ccc for own in found.values()]))
    assert found["arousal"].ccc_interval is found["arousal"].pearson_interval is None, "one speaker has no interval"


def test_a_shift_costs_concordance_and_leaves_pearson_alone():
    annotated = np.array([[1.0], [2.0], [3.0], [4.0]])
    found = Ratings(["arousal"], annotated, annotated + 1).score(["s"] * 4)["arousal"]
    assert found.pearson == pytest.approx(1.0)
    assert found.ccc == pytest.approx(2.5 / 3.5)  # 2 * 1.25 / (1.25 + 1.25 + 1)


def test_intervals_are_those_of_speakers_drawn_one_by_one():
    one, speakers = ratings(unknown=7), np.array([f"s{place % 5}" for place in range(60)])
    found = one.score(speakers.tolist())["valence"]
    times = np.random.default_rng(0).multinomial(5, np.full(5, 0.2), size=1000)
    known = ~np.isnan(one.annotated[:, 1])
    drawn = []
    for counts in times[:200]:
        rows = np.concatenate(
            [
                np.flatnonzero((speakers == f"s{speaker}") & known)
                for speaker in range(5)
                for _ in range(counts[speaker])
            ]
        )
        drawn.append(lin(one.annotated[rows, 1], one.predicted[rows, 1]))
    interval = found.ccc_interval
    assert interval.low < found.ccc < interval.high
    assert np.mean((np.array(drawn) >= interval.low) & (np.array(drawn) <= interval.high)) == pytest.approx(
        0.95, abs=0.03
    )
    assert (interval.over, interval.level, interval.resamples) == ("speakers", 0.95, 1000)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e6])
def test_figures_do_not_depend_on_the_scale(scale):
    one = ratings()
    other = Ratings(NAMES, scale * one.annotated + 7 * scale, scale * one.predicted + 7 * scale)
    speakers = [f"s{place % 5}" for place in range(60)]
    ours, theirs = one.score(speakers)["valence"], other.score(speakers)["valence"]
    assert ours.ccc == pytest.approx(theirs.ccc, rel=1e-6)
    assert ours.ccc_interval.low == pytest.approx(theirs.ccc_interval.low, rel=1e-6)


def test_what_is_undefined_is_none():
    nothing = Ratings(["arousal"], np.full((3, 1), np.nan), np.ones((3, 1))).score(["a", "b", "c"])["arousal"]
    assert (nothing.ccc, nothing.pearson, nothing.ccc_interval, nothing.support) == (None, None, None, 0)
    level = Ratings(["arousal"], np.full((3, 1), 2.7), np.arange(3.0)[:, None])
    assert level.score(["a", "b", "c"])["arousal"].ccc is None, "annotations that never vary"
    with pytest.raises(ConfigError, match="no dimension has a CCC"):
        _ = level.mean_ccc
    flat = Ratings(["arousal"], np.arange(3.0)[:, None], np.full((3, 1), 2.7)).score(["a", "b", "c"])["arousal"]
    assert (flat.ccc, flat.pearson) == (0.0, None), "predictions that never vary"


@pytest.mark.parametrize(
    ("annotated", "predicted", "said"),
    [
        (np.zeros((3, 2)), np.zeros((3, 1)), r"expected \(utterances, dimensions\) twice"),
        (np.zeros((3, 1)), np.zeros((3, 1)), r"a name for each dimension"),
        (np.zeros((3, 2)), np.full((3, 2), np.nan), r"NaN or infinite: the training diverged"),
    ],
)
def test_tables_that_do_not_fit_are_refused(annotated, predicted, said):
    with pytest.raises(ConfigError, match=said):
        Ratings(NAMES, annotated, predicted)


def test_an_evaluation_of_nothing_or_of_other_utterances_is_refused():
    with pytest.raises(ConfigError, match="60 utterances and 59 rated"):
        Predictions(
            *[getattr(sample(), name) for name in ("ids", "speakers", "references", "probabilities", "labels")],
            Ratings(NAMES, np.zeros((59, 2)), np.zeros((59, 2))),
        )
    with pytest.raises(ConfigError, match="1 utterances and 0 classes"):
        Predictions(["u"], ["s"], ["anger"], np.zeros((1, 0)), [])


@pytest.mark.slow
@pytest.mark.parametrize("alone", [False, True])
def test_a_report_keeps_them_on_disk_and_tells_them(alone, tmp_path):
    report = Report.of(predictions(alone=alone), title="Tones")
    report.save(tmp_path)
    back = Report.load(tmp_path)
    assert back.as_json() == report.as_json() == json.loads((tmp_path / "report.json").read_text())
    assert back.dimensions == report.dimensions
    with (tmp_path / "predictions.csv").open(encoding="utf-8") as file:
        first = next(csv.DictReader(file))
    assert (first["valence"], float(first["predicted_valence"])) == ("", report.predictions.ratings.predicted[0, 1])
    assert ("p_anger" in first) is not alone
    assert (tmp_path / "confusion.png").exists() is not alone
    assert (tmp_path / "dimensions.png").stat().st_size > 5_000
    for text in (str(report), (tmp_path / "report.md").read_text()):
        assert f"{report.dimensions['valence'].ccc:.3f}" in text
        assert f"{report.dimensions['arousal'].pearson_interval.high:.3f}" in text
        assert ("UAR" in text) is not alone
        assert (f"ean CCC {report.ccc:.3f}" in text) is alone


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
@pytest.mark.parametrize("alone", [False, True])
def test_folds_are_pooled(alone, tmp_path):
    folds = {name: Report.of(predictions(alone=alone, prefix=name, seed=seed)) for seed, name in enumerate(("a", "b"))}
    report = Report.over_folds(folds, title="Tones")
    both = [fold.predictions.ratings for fold in folds.values()]
    annotated, predicted = (np.concatenate(tables)[:, 0] for tables in zip(*(one.tables for one in both), strict=True))
    assert report.dimensions["arousal"].ccc == pytest.approx(lin(annotated, predicted))
    assert report.dimensions["valence"].support == 2 * (60 - 7)
    report.save(tmp_path)
    back = Report.load(tmp_path)
    assert back.as_json() == report.as_json()
    assert ("uar" in back.as_json()["folds"]["a"]) is not alone
    assert "pooled over 2 folds" in str(back)
    with pytest.raises(ConfigError, match=r"folds of different dimensions can't be pooled"):
        Report.over_folds({"a": folds["a"], "c": Report.of(sample(prefix="c"))} if not alone else _unlike(folds["a"]))


def _unlike(report):
    own = report.predictions
    fewer = Ratings(["arousal"], own.ratings.annotated[:, :1], own.ratings.predicted[:, :1])
    other = Predictions([f"x{name}" for name in own.ids], ["x"] * 60, own.references, own.probabilities, [], fewer)
    return {"a": report, "c": Report.of(other)}


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
def test_pictures_are_for_what_there_is(tmp_path):
    with pytest.raises(ConfigError, match="no dimensions to draw"):
        dimensions_picture(Report.of(sample()), tmp_path / "one.png")
    confusion_picture(Report.of(predictions()), tmp_path / "two.png")


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
def test_the_picture_has_a_point_for_each_annotated_utterance(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    drawn = []
    write = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kw: (drawn.append(self), write(self, *args, **kw)))
    dimensions_picture(Report.of(predictions(), title="Tones"), tmp_path / "dimensions.png")
    (figure,) = drawn
    assert [len(axes.collections[0].get_offsets()) for axes in figure.axes] == [60, 53]
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "annotated arousal, 60 utterances",
        "annotated valence, 53 utterances",
    ]
