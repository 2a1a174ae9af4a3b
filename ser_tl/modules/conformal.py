"""Prediction sets: the emotions that a recording may have, at a coverage that calibration speakers vouch for.

    scores of calibration clips, their speakers --PredictionSets.fit()--> thresholds
    probabilities (C,) --members(coverage)--> (C,) which emotions are in the set

Split conformal prediction (Vovk et al. 2005) with the score 1 - p of the true emotion, whose sets are the smallest
(Sadinle, Lei and Wasserman 2019); thresholds for all emotions together or for each (class-conditional, Vovk 2012).

Clips of one speaker aren't exchangeable with those of another, speakers are: each calibration speaker has the same say,
and the speaker to come has one of K + 1 shares, all of it at infinity (hierarchical conformal prediction: Lee, Barber
and Willett 2023; Dunn, Wasserman and Ramdas 2023). What is promised holds for a clip of a new speaker drawn as the
calibration speakers were, on average over speakers: not for each of them, and for no other corpus. A coverage of 0.9
takes 9 calibration speakers. Where there are fewer, clips are taken for exchangeable, and `Threshold.unit` says so.

Numpy alone: exported models are predicted with where nothing else is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np

from ser_tl.errors import ConfigError

COVERAGES = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99)
"""Those that thresholds are kept for; one in between has the threshold of the next larger one."""

Unit = Literal["speakers", "clips"]


@dataclass(frozen=True)
class Threshold:
    """The largest score of an emotion in the set.

    Args:
        coverage: share of clips whose emotion is in their set
        score: for all emotions together; None where too few clips vouch for less than all emotions
        by_class: for each emotion
        unit: what was taken for exchangeable: `speakers`, or `clips` where there are too few speakers
    """

    coverage: float
    score: float | None
    by_class: list[float | None]
    unit: Unit


@dataclass(frozen=True)
class PredictionSets:
    """Thresholds by coverage.

    Args:
        thresholds: by ascending coverage
        speakers: on whose clips they were calibrated
        clips: how many
    """

    thresholds: list[Threshold]
    speakers: int
    clips: int

    @classmethod
    def fit(cls, probabilities: np.ndarray, labels: np.ndarray, speakers: Sequence[str]) -> Self:
        """The thresholds of calibration clips, none of whose speakers the model that judged them was trained on.

        Args:
            probabilities: (n, C), calibrated
            labels: (n,) class indices
            speakers: n names
        """
        names = np.array(speakers)
        scores = 1.0 - probabilities[np.arange(len(labels)), labels]
        people = len(set(speakers))
        thresholds: list[Threshold] = []
        for coverage in COVERAGES:
            unit: Unit = "speakers" if coverage * (people + 1) <= people + 1e-9 else "clips"
            of_class = [labels == index for index in range(probabilities.shape[1])]
            thresholds.append(
                Threshold(
                    coverage,
                    find_threshold(scores, names, coverage, unit),
                    [find_threshold(scores[rows], names[rows], coverage, unit) for rows in of_class],
                    unit,
                )
            )
        for index, next_index in pairwise(range(len(thresholds))):  # sets don't shrink where the unit becomes clips
            low, high = thresholds[index], thresholds[next_index]
            by_class = [_take_larger(*pair) for pair in zip(low.by_class, high.by_class, strict=True)]
            thresholds[next_index] = replace(high, score=_take_larger(low.score, high.score), by_class=by_class)
        return cls(thresholds, people, len(labels))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """What `dataclasses.asdict` made."""
        return cls(
            [Threshold(**threshold) for threshold in value["thresholds"]], int(value["speakers"]), int(value["clips"])
        )

    def find(self, coverage: float) -> Threshold:
        """The threshold of the least kept coverage that is enough.

        Raises:
            ConfigError: more coverage than any that is kept, or none
        """
        if not 0 < coverage <= COVERAGES[-1]:
            raise ConfigError(
                f"coverage is {coverage:g}: expected a share of recordings above 0, at most {COVERAGES[-1]}"
            )
        return next(threshold for threshold in self.thresholds if threshold.coverage >= coverage - 1e-9)

    def members(self, probabilities: np.ndarray, coverage: float, *, by_class: bool = False) -> np.ndarray:
        """Which emotions are in the sets of some recordings. The likeliest always is: no set is empty.

        Args:
            probabilities: (..., C), calibrated
            coverage: share of recordings whose emotion is to be in their set
            by_class: of the recordings of each emotion, rather than of all

        Returns:
            (..., C), True for members.
        """
        threshold = self.find(coverage)
        limits = threshold.by_class if by_class else [threshold.score] * probabilities.shape[-1]
        limit = np.array([np.inf if limit is None else limit for limit in limits])
        best = probabilities == probabilities.max(axis=-1, keepdims=True)
        return (1.0 - probabilities <= limit + 1e-9) | best


def find_threshold(scores: np.ndarray, speakers: np.ndarray, coverage: float, unit: Unit) -> float | None:
    """The conformal quantile of some scores.

    Args:
        scores: (n,) of the calibration clips' own emotions
        speakers: (n,) their names
        coverage: share of new clips whose score is to be no larger
        unit: what is exchangeable

    Returns:
        The score; None where no finite one is enough.
    """
    if not len(scores):
        return None
    _, index, counts = np.unique(speakers, return_inverse=True, return_counts=True)
    weights = np.full(len(scores), 1.0 / (len(scores) + 1))
    if unit == "speakers":
        weights = 1.0 / (counts[index] * (len(counts) + 1))
    order = np.argsort(scores, kind="stable")
    enough = np.cumsum(weights[order]) >= coverage - 1e-9
    return float(scores[order][int(enough.argmax())]) if enough.any() else None


def _take_larger(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else max(first, second)
