"""Prediction sets hold the truth as often as they promise, for speakers that nobody calibrated on."""

from itertools import pairwise

import numpy as np
import pytest

from ser_tl.errors import ConfigError
from ser_tl.modules.conformal import COVERAGES, PredictionSets, find_threshold


def voices(draw, speakers, clips, classes=4):
    """Probabilities, labels, names: each speaker is as hard as chance makes them, which clips of one share."""
    rows, labels, names = [], [], []
    for speaker in range(speakers):
        ease = draw.normal(1.5, 1.0)
        for _ in range(clips):
            label = draw.integers(classes)
            logits = draw.normal(0, 1, classes)
            logits[label] += ease
            rows.append(np.exp(logits) / np.exp(logits).sum())
            labels.append(label)
            names.append(f"{speaker}")
    return np.array(rows), np.array(labels), names


def coverage_of_new_speakers(unit, runs=150, speakers=9):
    draw, held = np.random.default_rng(0), []
    for _ in range(runs):
        rows, labels, names = voices(draw, speakers, 20)
        scores = 1 - rows[np.arange(len(labels)), labels]
        limit = find_threshold(scores, np.array(names), 0.9, unit)
        new, truth, _ = voices(draw, 1, 50)
        own = 1 - new[np.arange(len(truth)), truth]
        held.append(1.0 if limit is None else (own <= limit).mean())
    return np.mean(held)


@pytest.mark.slow
def test_new_speakers_are_covered_on_average_and_not_where_clips_are_taken_for_exchangeable():
    assert coverage_of_new_speakers("speakers") >= 0.895
    assert coverage_of_new_speakers("clips") < 0.885  # what most do: 5 speakers' clips aren't 100 independent ones


def test_split_conformal_on_clips_is_the_textbook_quantile():
    scores = np.array([0.5, 0.1, 0.4, 0.2, 0.3, 0.6, 0.7, 0.8, 0.9])  # n = 9: the ceil(10 * 0.8) = 8th smallest
    assert find_threshold(scores, np.array(["a"] * 9), 0.8, "clips") == 0.8
    assert find_threshold(scores, np.array(["a"] * 9), 0.95, "clips") is None


def test_a_speaker_of_many_clips_has_no_more_say_than_another():
    scores = np.array([0.9] * 1000 + [0.1, 0.2, 0.3, 0.4])
    names = np.array(["long"] * 1000 + list("abcd"))
    assert find_threshold(scores, names, 0.6, "speakers") == 0.4
    assert find_threshold(scores, names, 0.6, "clips") == 0.9


def test_few_speakers_are_said_to_be_few():
    few = PredictionSets.fit(*voices(np.random.default_rng(0), 4, 30))
    many = PredictionSets.fit(*voices(np.random.default_rng(0), 9, 30))
    assert (few.find(0.8).unit, few.find(0.9).unit, many.find(0.9).unit) == ("speakers", "clips", "speakers")
    assert (few.speakers, few.clips) == (4, 120)


def test_sets_are_never_empty_and_grow_with_coverage():
    rows, labels, names = voices(np.random.default_rng(1), 20, 20)
    sets = PredictionSets.fit(rows, labels, names)
    sizes = [sets.members(rows, coverage).sum(axis=1) for coverage in COVERAGES]
    assert all(size.min() >= 1 for size in sizes)
    assert all((one <= other).all() for one, other in pairwise(sizes))
    by_class = sets.members(rows, 0.9, by_class=True)
    for label in range(4):  # each emotion is covered, not emotions on average
        assert by_class[labels == label, label].mean() > 0.87


def test_impossible_coverages_are_refused():
    sets = PredictionSets.fit(*voices(np.random.default_rng(1), 3, 5))
    for coverage in (0.0, 1.0, 90):
        with pytest.raises(ConfigError, match=r"a share of recordings above 0, at most 0\.99"):
            sets.find(coverage)
    assert sets.find(0.91).coverage == 0.95
