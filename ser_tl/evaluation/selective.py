"""Selective prediction: accuracy among the most confident recordings, and the coverage of prediction sets.

    Predictions --measure_selection()--> SelectionScores: risk-coverage curve, its area, accuracy at 80 % coverage
    Predictions with sets --measure_sets()--> SetScores: coverage with an interval, by speaker the least first, sizes

The curve takes the most confident share of the recordings, by their likeliest class' probability, and gives the error
rate of these; the area under it (AURC) is the mean of that over all shares (Geifman and El-Yaniv 2017), and the excess
over the area that a perfect ranking of the same answers would have is the loss by imperfect confidence (E-AURC,
Geifman et al. 2019).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ser_tl.evaluation.bootstrap import Interval
from ser_tl.evaluation.calibration import index_references, normalize_probabilities
from ser_tl.evaluation.predictions import Predictions

KEPT_SHARE = 0.8
"""The share of recordings over which the accuracy is reported."""

_POINTS = 20
_RESAMPLES = 1000
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class SelectionScores:
    """Scores of the most confident recordings.

    Args:
        aurc: area under the risk-coverage curve, a fraction
        excess: that area minus the area of a perfect ranking of the same answers
        accuracy: of all recordings
        accuracy_at_80: of the most confident 80 %
        curve: (share of the recordings, error rate among these), 20 points
    """

    aurc: float
    excess: float
    accuracy: float
    accuracy_at_80: float
    curve: list[list[float]]


@dataclass(frozen=True)
class SetScores:
    """Scores of prediction sets: how often they contain the true emotion.

    Args:
        target: nominal coverage
        coverage: share of recordings whose set contains their emotion
        interval: of that, over speakers; None with one
        size: mean number of emotions in a set
        single: share of sets with one emotion: the others abstain
        single_accuracy: share of these that is right; None where there are none
        per_class: {emotion: share of its recordings that is covered}, of emotions that occur
        per_speaker: {speaker: {coverage, low, high (95 %, Wilson's), size, support}}, the least covered first
    """

    target: float
    coverage: float
    interval: Interval | None
    size: float
    single: float
    single_accuracy: float | None
    per_class: Mapping[str, float]
    per_speaker: Mapping[str, Mapping[str, float]]


def measure_selection(predictions: Predictions) -> SelectionScores:
    """The figures of a test set with classes."""
    rows, truth = normalize_probabilities(predictions), index_references(predictions)
    wrong = (rows.argmax(axis=1) != truth)[np.argsort(-rows.max(axis=1), kind="stable")]
    counts = np.arange(1, len(wrong) + 1)
    risks, perfect = np.cumsum(wrong) / counts, np.cumsum(np.sort(wrong)) / counts
    points = np.unique(np.ceil(np.linspace(1 / _POINTS, 1, _POINTS) * len(wrong)).astype(int))
    return SelectionScores(
        aurc=float(risks.mean()),
        excess=float(risks.mean() - perfect.mean()),
        accuracy=float(1 - wrong.mean()),
        accuracy_at_80=float(1 - risks[int(np.ceil(KEPT_SHARE * len(wrong))) - 1]),
        curve=[[count / len(wrong), float(risks[count - 1])] for count in points.tolist()],
    )


def measure_sets(predictions: Predictions) -> SetScores | None:
    """The figures of a test set's prediction sets; None where there are none."""
    if predictions.sets is None or predictions.coverage is None:
        return None
    sets, truth, speakers = predictions.sets, index_references(predictions), np.array(predictions.speakers)
    covered, sizes = sets[np.arange(len(truth)), truth], sets.sum(axis=1)
    is_single = sizes == 1
    per_speaker = {
        name: _score_speaker(covered[speakers == name], sizes[speakers == name])
        for name in sorted({*predictions.speakers})
    }
    return SetScores(
        target=predictions.coverage,
        coverage=float(covered.mean()),
        interval=_bootstrap_coverage(covered, speakers),
        size=float(sizes.mean()),
        single=float(is_single.mean()),
        single_accuracy=float(covered[is_single].mean()) if is_single.any() else None,
        per_class={
            label: float(covered[truth == index].mean())
            for index, label in enumerate(predictions.labels)
            if (truth == index).any()
        },
        per_speaker=dict(sorted(per_speaker.items(), key=lambda item: (item[1]["coverage"], item[0]))),
    )


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927), which chance alone explains; of clips that are independent."""
    share, denominator = hits / count, 1 + _Z**2 / count
    middle = (share + _Z**2 / (2 * count)) / denominator
    half = _Z * np.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2)) / denominator
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def _score_speaker(covered: np.ndarray, sizes: np.ndarray) -> dict[str, float]:
    low, high = wilson_interval(int(covered.sum()), len(covered))
    return {
        "coverage": float(covered.mean()),
        "low": low,
        "high": high,
        "size": float(sizes.mean()),
        "support": len(covered),
    }


def _bootstrap_coverage(covered: np.ndarray, speakers: np.ndarray) -> Interval | None:
    names, index = np.unique(speakers, return_inverse=True)
    if len(names) < 2:
        return None
    counts, hits = np.bincount(index), np.bincount(index, covered)
    times = np.random.default_rng(0).multinomial(len(names), np.full(len(names), 1 / len(names)), size=_RESAMPLES)
    low, high = np.quantile((times @ hits) / (times @ counts), [0.025, 0.975])
    return Interval(0.95, float(low), float(high), "speakers", _RESAMPLES)
