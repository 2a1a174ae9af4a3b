"""Pairs of systems: seeds resampled together, and McNemar's test on one seed only."""

import numpy as np
import pytest

from ser_tl.comparison import Comparison
from ser_tl.comparison.paired_tests import count_by_speaker
from ser_tl.evaluation import Predictions, Report
from ser_tl.evaluation.bootstrap import paired_interval, speaker_interval
from tests.comparison.test_comparison import report
from tests.evaluation.samples import certain


def test_mcnemar_counts_the_clips_that_one_alone_gets_right():
    labels = ["a", "b"]
    references = ["a", "a", "a", "b", "b", "b"]
    speakers = ["s", "t"] * 3
    first = Report.of(certain(references, ["a", "a", "a", "b", "b", "a"], labels, speakers))
    second = Report.of(certain(references, ["a", "b", "b", "b", "b", "b"], labels, speakers))
    (pair,) = Comparison.of({"one": first, "other": second}).pairs
    assert (pair.first, pair.only_first, pair.only_second) == ("one", 2, 1)
    assert pair.p == pair.p_holm == 1.0
    assert pair.difference == pytest.approx(first.uar - second.uar)
    assert pair.low <= pair.difference <= pair.high


def test_clips_are_matched_by_id_and_not_by_their_order():
    good, bad = report(0.9), report(0.4, seed=1)
    said = bad.predictions
    back = np.arange(len(said))[::-1]
    turned = Predictions(
        [said.ids[row] for row in back],
        [said.speakers[row] for row in back],
        [said.references[row] for row in back],
        said.probabilities[back],
        said.labels,
    )
    straight, reversed_ = (Comparison.of({"good": good, "bad": other}).pairs for other in (bad, Report.of(turned)))
    assert straight == reversed_
    assert straight[0].p < 0.001


def test_a_class_that_only_one_model_knows_changes_nothing():
    one, other = report(0.7), report(0.5, seed=1)
    said = other.predictions
    wider = np.concatenate([said.probabilities, np.zeros((len(said), 1))], axis=1)
    more = Report.of(Predictions(said.ids, said.speakers, said.references, wider, [*said.labels, "disgust"]))
    assert Comparison.of({"a": one, "b": other}).pairs == Comparison.of({"a": one, "b": more}).pairs


def test_equal_seeds_have_the_interval_of_one():
    one = count_by_speaker([[report(0.6)]])[0]
    three = np.repeat(one, 3, axis=0)
    assert speaker_interval(three) == speaker_interval(one[0])
    other = count_by_speaker([[report(0.5, seed=1)]])[0]
    assert paired_interval(three, np.repeat(other, 3, axis=0)) == paired_interval(one[0], other[0])


def test_seeds_may_test_other_speakers():
    small, large = report(0.6, speakers=3), report(0.6, speakers=6, seed=2)
    counts = count_by_speaker([[small, large]])
    assert counts.shape[:3] == (1, 2, 6)
    assert (counts[0, 0].sum(axis=(1, 2)) == [12, 12, 12, 0, 0, 0]).all()
    found = speaker_interval(counts[0])
    assert 0 < found.low < found.high < 1
