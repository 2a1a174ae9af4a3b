import json
import math

import pytest

from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.evaluation import Report, Scores

from .samples import certain, sample

KEYS = ["title", "uar", "war", "macro_f1", "weighted_f1", "interval", "labels", "confusion", "per_class"]
KEYS += [
    "dimensions",
    "per_speaker",
    "calibration",
    "selection",
    "sets",
    "groups",
    "metrics",
    "folds",
    "folds_mean",
    "support",
    "speakers",
    "cautions",
    "notes",
    "facts",
]


@pytest.fixture
def by_hand():
    """Speaker s: anger right twice, wrong once, as joy, which never occurs. Speaker t: fear right once."""
    return Report.of(
        certain(
            ["anger", "anger", "anger", "fear"],
            ["anger", "anger", "joy", "fear"],
            labels=["anger", "calm", "fear", "joy"],
            speakers=["s", "s", "s", "t"],
        )
    )


def test_figures_by_hand(by_hand):
    assert by_hand.uar == pytest.approx(5 / 6)
    assert by_hand.war == 0.75
    assert by_hand.per_class["anger"] == {
        "recall": pytest.approx(2 / 3),
        "precision": 1,
        "f1": pytest.approx(0.8),
        "support": 3,
    }
    assert by_hand.per_class["joy"] == {"recall": None, "precision": 0, "f1": 0, "support": 0}
    assert by_hand.per_class["calm"] == {"recall": None, "precision": None, "f1": None, "support": 0}
    assert by_hand.per_speaker == {
        "s": {"uar": pytest.approx(2 / 3), "war": pytest.approx(2 / 3), "support": 3},
        "t": {"uar": 1, "war": 1, "support": 1},
    }
    assert by_hand.interval.low == pytest.approx(2 / 3)
    assert by_hand.interval.high == 1


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
def test_the_json_has_the_documented_keys_and_no_nan(by_hand, tmp_path):
    by_hand.save(tmp_path)

    def refuse(name):
        raise AssertionError(name)

    said = json.loads((tmp_path / "report.json").read_text(), parse_constant=refuse)
    assert list(said) == KEYS
    assert said == by_hand.as_json()
    assert said["interval"].keys() == {"level", "low", "high", "over", "resamples"}
    assert said["confusion"] == [[2, 0, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert said["folds"] == said["folds_mean"] == {}
    assert (said["support"], said["speakers"]) == (4, 2)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
def test_what_is_saved_loads_as_it_was(tmp_path):
    folds = {name: Report.of(sample(prefix=name), notes=["a"], facts={"seed": name}) for name in ("one", "two")}
    report = Report.over_folds(folds, title="Übung")
    report.save(tmp_path / "deep" / "run")
    back = Report.load(tmp_path / "deep" / "run")
    assert back.as_json() == report.as_json()
    assert str(back) == str(report)
    assert {path.name for path in (tmp_path / "deep" / "run").iterdir()} == {
        "report.json",
        "report.md",
        "confusion.png",
        "reliability.png",
        "predictions.csv",
    }


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
def test_parts_of_two_evaluations_are_refused(tmp_path):
    Report.of(sample(seed=1)).save(tmp_path / "one")
    Report.of(sample(seed=2)).save(tmp_path / "two")
    (tmp_path / "one" / "predictions.csv").write_bytes((tmp_path / "two" / "predictions.csv").read_bytes())
    with pytest.raises(CheckpointError, match="another confusion matrix"):
        Report.load(tmp_path / "one")


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
@pytest.mark.parametrize("text", [None, "{", "[]", "{}", '{"folds": {"a": {"uar": 1}}}'])
def test_a_missing_or_damaged_report_is_refused(tmp_path, text):
    Report.of(sample()).save(tmp_path)
    (tmp_path / "report.json").unlink() if text is None else (tmp_path / "report.json").write_text(text)
    with pytest.raises(CheckpointError, match="no readable report"):
        Report.load(tmp_path)


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), {1, 2}])
def test_a_fact_that_json_cannot_say_is_refused(value):
    with pytest.raises(ConfigError, match="fact"):
        Report.of(sample(), facts={"seconds": value})


def test_facts_are_a_copy_that_later_changes_leave_alone():
    facts = {"parameters": {"total": 1}}
    report = Report.of(sample(), facts=facts)
    facts["parameters"]["total"] = 2
    assert report.facts == {"parameters": {"total": 1}}


def test_the_headline_is_that_of_the_confusion_matrix():
    report = Report.of(sample())
    assert report.scores == Scores.from_confusion(report.confusion)
    assert report.interval.low <= report.uar <= report.interval.high
