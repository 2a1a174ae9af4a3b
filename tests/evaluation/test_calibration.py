"""Figures of calibration and abstention, against numbers by hand, scikit-learn, and true probabilities."""

import numpy as np
import pytest
from sklearn.isotonic import isotonic_regression
from sklearn.metrics import log_loss

from ser_tl.evaluation import Predictions, Report
from ser_tl.evaluation.calibration import fit_isotonic, measure_calibration
from ser_tl.evaluation.selective import measure_selection, measure_sets, wilson_interval
from ser_tl.modules.calibration import NEVER
from tests.evaluation.samples import LABELS, certain, sample

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


def honest(n, *, seed=0, sharpen=1.0, speakers=20):
    """Predictions whose probabilities are the true ones, to the power of `sharpen`."""
    draw = np.random.default_rng(seed)
    true = draw.dirichlet([0.6, 0.6, 0.6], n)
    references = [LABELS[draw.choice(3, p=row)] for row in true]
    rows = true**sharpen / (true**sharpen).sum(axis=1, keepdims=True)
    names = [f"s{index % speakers}" for index in range(n)]
    return Predictions([f"u{index}" for index in range(n)], names, references, rows, LABELS)


@pytest.mark.parametrize("seed", range(4))
def test_recalibration_is_scikit_learns_isotonic_regression(seed):
    draw = np.random.default_rng(seed)
    values, weights = draw.integers(0, 4, 200) / 3, draw.integers(1, 9, 200)
    expected = isotonic_regression(values, sample_weight=weights)
    np.testing.assert_allclose(fit_isotonic(values, weights), expected, atol=1e-12)
    assert fit_isotonic(values[:1], weights[:1]).tolist() == values[:1].tolist()


def test_true_probabilities_have_no_error_and_sharpened_ones_have():
    true, sharp = measure_calibration(honest(4000)), measure_calibration(honest(4000, sharpen=3.0))
    assert true.ece < 0.02
    assert true.interval.low <= true.ece <= true.interval.high < 0.03
    assert true.miscalibration < 0.01
    assert sharp.ece == pytest.approx(sharp.confidence - sharp.accuracy, abs=0.01)
    assert sharp.interval.low > 0.1
    assert sharp.miscalibration > 0.05


def test_chance_is_taken_off():
    """The plain figure of 100 clips whose probabilities are true is several points; the debiased one far less."""
    found = [measure_calibration(honest(100, seed=seed)) for seed in range(30)]
    plain = [sum(abs(b.accuracy - b.confidence) * b.support for b in one.bins) / 100 for one in found]
    assert np.mean(plain) > 0.05
    assert np.mean([one.ece for one in found]) < 0.6 * np.mean(plain)


def test_the_brier_score_is_the_sum_of_its_parts_and_the_log_loss_is_scikit_learns():
    predictions = sample(300)
    own, rows = measure_calibration(predictions), predictions.probabilities.astype(float)
    truth = np.array([LABELS.index(one) for one in predictions.references])
    assert own.brier == pytest.approx(((rows - np.eye(3)[truth]) ** 2).sum(axis=1).mean(), rel=1e-6)
    assert own.miscalibration - own.discrimination + own.uncertainty == pytest.approx(own.brier)
    assert min(own.miscalibration, own.discrimination) >= 0
    assert own.log_loss == pytest.approx(log_loss(truth, rows / rows.sum(axis=1, keepdims=True)), rel=1e-6)


def test_each_speaker_has_a_gap():
    predictions = certain(["anger"] * 4, ["anger", "anger", "joy", "joy"], ["anger", "joy"], ["a", "a", "a", "b"])
    own = measure_calibration(predictions).per_speaker
    assert own["a"]["gap"] == pytest.approx(1 / 3)
    assert own["b"] == {
        "confidence": 1,
        "accuracy": 0,
        "gap": 1,
        "brier": 2,
        "log_loss": pytest.approx(27.63, abs=0.01),
        "support": 1,
    }


def test_abstaining_by_hand():
    rows = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.55, 0.45]])
    said = Predictions(list("abcde"), list("sssss"), ["x", "x", "y", "x", "y"], rows, ["x", "y"])
    own = measure_selection(said)
    assert own.accuracy == pytest.approx(0.6)
    assert own.accuracy_at_80 == pytest.approx(0.75)
    assert own.aurc == pytest.approx(np.mean([0, 0, 1 / 3, 1 / 4, 2 / 5]))
    assert own.excess == pytest.approx(own.aurc - np.mean([0, 0, 0, 1 / 4, 2 / 5]))
    assert own.curve[-1] == [1.0, pytest.approx(0.4)]


def with_sets(coverage=0.9):
    predictions = sample(60, 3)
    sets = predictions.probabilities >= np.sort(predictions.probabilities, axis=1)[:, [1]]  # the two likeliest
    return Predictions(
        predictions.ids,
        predictions.speakers,
        predictions.references,
        predictions.probabilities,
        LABELS,
        None,
        sets,
        coverage,
    )


def test_sets_are_counted_by_speaker_the_least_covered_first_and_survive_the_disk(tmp_path):
    predictions = with_sets()
    own = measure_sets(predictions)
    held = [row[LABELS.index(one)] for row, one in zip(predictions.sets, predictions.references, strict=True)]
    assert own.coverage == pytest.approx(np.mean(held))
    assert own.size == 2
    assert (own.single, own.single_accuracy) == (0, None)
    shares = [one["coverage"] for one in own.per_speaker.values()]
    assert shares == sorted(shares)
    assert all(one["low"] <= one["coverage"] <= one["high"] for one in own.per_speaker.values())
    report = Report.of(predictions)
    report.save(tmp_path)
    back = Report.load(tmp_path)
    assert back.sets == report.sets
    assert (back.predictions.sets == predictions.sets).all()
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")
    text = (tmp_path / "report.md").read_text()
    assert "Prediction sets for 90.0 % of new speakers' clips hold" in text
    folds = Report.over_folds({"one": report, "two": Report.of(renamed(predictions))})
    assert folds.sets.coverage == pytest.approx(own.coverage)


def renamed(predictions):
    return Predictions(
        [f"x{name}" for name in predictions.ids],
        [f"x{name}" for name in predictions.speakers],
        predictions.references,
        predictions.probabilities,
        LABELS,
        None,
        predictions.sets,
        predictions.coverage,
    )


def test_wilsons_interval_is_the_published_one():
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "isn't recorded"),
        ({"calibration": None}, NEVER),
        ({"folds": {"a": {"calibration": None}, "b": {"calibration": None}}}, f"of 2 folds, 2 were {NEVER}"),
    ],
)
def test_a_report_says_whether_probabilities_were_calibrated(facts, said, tmp_path):
    report = Report.of(sample(), facts=facts)
    report.save(tmp_path)
    assert said in str(report)
    assert said in (tmp_path / "report.md").read_text()


def test_groups_of_speakers_are_compared_and_few_speakers_make_wide_intervals():
    groups = {f"s{number}": "female" if number < 2 else "male" for number in range(5)}
    report = Report.of(sample(300, 5), facts={"groups": {"sex": groups}})
    (found,) = report.groups
    scores = [one.uar for one in found.groups.values()]
    assert scores == sorted(scores)
    assert found.gap == pytest.approx(scores[1] - scores[0])
    assert found.interval.low < found.gap < found.interval.high
    assert sum(one.support for one in found.groups.values()) == 300
    assert f"{100 * found.gap:.1f} points apart" in str(report)
    partly = Report.of(sample(300, 5), facts={"groups": {"sex": dict(list(groups.items())[1:])}})
    assert partly.groups[0].unknown == 60
    assert Report.of(sample(), facts={"groups": {"sex": {"s0": "male"}}}).groups == []
