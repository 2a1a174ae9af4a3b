import statistics

import numpy as np
import pytest

from ser_tl.errors import ConfigError, SplitError
from ser_tl.evaluation import Report

from .samples import sample


@pytest.fixture
def folds():
    sizes = {"fold 1": 60, "fold 2": 30}
    return {
        name: Report.of(
            sample(size, 4, seed=size, prefix=name),
            title="corpus",
            notes=[f"{size} files"],
            facts={"encoder": "tiny", "epochs": size},
        )
        for name, size in sizes.items()
    }


def test_the_headline_is_pooled_and_the_mean_over_folds_stands_beside_it(folds):
    report = Report.over_folds(folds)
    assert report.confusion.tolist() == sum(fold.confusion for fold in folds.values()).tolist()
    uars = [fold.uar for fold in folds.values()]
    assert report.folds_mean["uar"] == {"mean": statistics.fmean(uars), "std": pytest.approx(np.std(uars, ddof=1))}
    assert report.uar != pytest.approx(report.folds_mean["uar"]["mean"])  # folds of different size: the two differ
    assert report.folds["fold 2"].scores == folds["fold 2"].scores
    assert report.as_json()["folds"]["fold 2"]["support"] == 30
    assert report.as_json()["speakers"] == 8


def test_notes_carry_their_fold_and_shared_facts_are_said_once(folds):
    report = Report.over_folds(folds)
    assert report.notes == ["fold 1: 60 files", "fold 2: 30 files"]
    assert report.facts == {"encoder": "tiny", "folds": {"fold 1": {"epochs": 60}, "fold 2": {"epochs": 30}}}
    assert report.title == "corpus"
    assert Report.over_folds(folds, title="other").title == "other"


def test_the_deviation_of_one_fold_is_undefined(folds):
    single = Report.over_folds({"fold 1": folds["fold 1"]})
    assert single.folds_mean["uar"] == {"mean": folds["fold 1"].uar, "std": None}


def test_an_utterance_or_a_speaker_in_two_folds_is_an_error_that_names_it():
    first = sample(10, 2)
    with pytest.raises(SplitError, match=r"10 utterance ids(.|\n)*u0: in one, two"):
        Report.over_folds({"one": Report.of(first), "two": Report.of(sample(10, 2, seed=1))})
    other = sample(10, 2, prefix="x")
    object.__setattr__(other, "speakers", ["s1"] * 10)
    with pytest.raises(SplitError, match=r"1 speakers(.|\n)*s1: in one, two"):
        Report.over_folds({"one": Report.of(first), "two": Report.of(other)})


def test_no_folds_and_folds_of_different_classes_are_refused():
    with pytest.raises(ConfigError, match="no folds"):
        Report.over_folds({})
    with pytest.raises(ConfigError, match="two: anger, joy"):
        Report.over_folds({"one": Report.of(sample()), "two": Report.of(sample(prefix="x", labels=["anger", "joy"]))})
