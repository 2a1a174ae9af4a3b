"""Whether probabilities match frequencies: of recordings called 80 % sure, are 80 % right?

    Predictions --measure_calibration()--> CalibrationScores: ECE with an interval, Brier score and its parts, log loss

- ECE, the expected calibration error: recordings in 15 bins of as many each (in fewer where a bin would have less than
  20), by confidence, the likeliest class' probability; the mean over the bins of |accuracy - confidence|. A bin of n
  clips differs by chance, so that the plain figure is never 0: the expectation of that is taken off (Kumar, Liang and
  Ma 2019). Its interval resamples speakers, and is centred on the figure: each draw adds chance of its own.
- Brier score (1950): the mean squared distance of the probabilities to the truth, 0 to 2. It is miscalibration -
  discrimination + uncertainty, of each class recalibrated by isotonic regression (Dimitriadis, Gneiting and Jordan
  2021), without bins and without remainder.
- log loss: the mean of -log p of the true class, in nats, p at least 1e-12.

Independent of how, and whether, the probabilities were calibrated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ser_tl.evaluation.bootstrap import Interval
from ser_tl.evaluation.predictions import Predictions

BINS = 15
_FEWEST = 20  # recordings in a bin
_LEVEL, _RESAMPLES = 0.95, 1000
_LEAST = 1e-12


@dataclass(frozen=True)
class Bin:
    """Recordings of about the same confidence.

    Args:
        confidence: their mean
        accuracy: share that is right
        support: how many
    """

    confidence: float
    accuracy: float
    support: int


@dataclass(frozen=True)
class CalibrationScores:
    """How far probabilities match frequencies.

    Args:
        ece: expected calibration error, debiased, a fraction
        interval: its interval over speakers; None with one speaker
        confidence: mean probability of the likeliest class
        accuracy: share of recordings whose likeliest class is right
        brier: Brier score, 0 to 2
        miscalibration: the part of it that recalibration would remove
        discrimination: the part that separating the classes removes
        uncertainty: the score of the classes' frequencies
        log_loss: mean, in nats
        bins: of the ECE, least confident first
        per_speaker: {speaker: {confidence, accuracy, gap (of the two), brier, log_loss, support}}
    """

    ece: float
    interval: Interval | None
    confidence: float
    accuracy: float
    brier: float
    miscalibration: float
    discrimination: float
    uncertainty: float
    log_loss: float
    bins: list[Bin]
    per_speaker: Mapping[str, Mapping[str, float]]


def measure_calibration(predictions: Predictions) -> CalibrationScores:
    """The figures of a test set with classes."""
    rows, truth = normalize_probabilities(predictions), index_references(predictions)
    confidence, right = rows.max(axis=1), rows.argmax(axis=1) == truth
    squares = (rows - np.eye(rows.shape[1])[truth]) ** 2
    losses = -np.log(np.maximum(rows[np.arange(len(truth)), truth], _LEAST))
    speakers = np.array(predictions.speakers)
    count = min(BINS, max(1, len(confidence) // _FEWEST))
    bins = np.argsort(np.argsort(confidence, kind="stable")) * count // len(confidence)
    sums = _sum_bins(bins, speakers, confidence, right)
    parts = _decompose(rows, truth)
    figures = {"confidence": confidence, "accuracy": right, "brier": squares.sum(axis=1), "log_loss": losses}
    return CalibrationScores(
        ece=float(estimate_ece(sums.sum(axis=0))),
        interval=_bootstrap_ece(sums),
        confidence=float(confidence.mean()),
        accuracy=float(right.mean()),
        brier=float(squares.sum(axis=1).mean()),
        miscalibration=parts[0],
        discrimination=parts[1],
        uncertainty=parts[2],
        log_loss=float(losses.mean()),
        bins=[Bin(sure / count, hits / count, int(count)) for count, sure, hits in sums.sum(axis=0).tolist() if count],
        per_speaker={
            name: _score_speaker({figure: values[speakers == name] for figure, values in figures.items()})
            for name in sorted(set(predictions.speakers))
        },
    )


def normalize_probabilities(predictions: Predictions) -> np.ndarray:
    """The probabilities (U, C) in double precision, each row adding up to 1.

    Rounded to single precision first, as models give them: a table that was written and read again has the same
        figures.
    """
    rows = predictions.probabilities.astype(np.float32).astype(np.float64)
    return rows / rows.sum(axis=1, keepdims=True)


def index_references(predictions: Predictions) -> np.ndarray:
    """The true classes (U,) as indices."""
    index = {label: number for number, label in enumerate(predictions.labels)}
    return np.array([index[reference] for reference in predictions.references])


def estimate_ece(sums: np.ndarray) -> np.ndarray:
    """The debiased ECE: without the part that chance adds.

    Args:
        sums: (..., bins, 3): clips, their confidences, how many are right

    Returns:
        (...,), at least 0.
    """
    count = np.maximum(sums[..., 0], 1)
    gap = np.abs(sums[..., 1] - sums[..., 2]) / count
    share = (sums[..., 2] + 1) / (count + 2)  # (Laplace's, so that a bin that is all right isn't free of chance)
    spread = np.sqrt(share * (1 - share) / count)
    # The expectation of |gap + spread Z|, Z standard normal: what other clips as good would show.
    ratio = gap / spread
    tail = 2 * _normal_cdf(-ratio)
    expected = spread * np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2) + gap * (1 - tail)
    weight = sums[..., 0] / np.maximum(sums[..., 0].sum(axis=-1, keepdims=True), 1)
    return np.maximum((weight * (2 * gap - expected)).sum(axis=-1), 0.0)


_normal_cdf = np.vectorize(NormalDist().cdf, otypes=[float])


def _sum_bins(bins: np.ndarray, speakers: np.ndarray, confidence: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(S, bins, 3) of each speaker: clips, confidences, right ones."""
    names, index = np.unique(speakers, return_inverse=True)
    sums = np.zeros((len(names), BINS, 3))
    np.add.at(sums, (index, bins), np.stack([np.ones(len(bins)), confidence, right], axis=1))
    return sums


def _bootstrap_ece(sums: np.ndarray) -> Interval | None:
    speakers = len(sums)
    if speakers < 2:
        return None
    times = np.random.default_rng(0).multinomial(speakers, np.full(speakers, 1 / speakers), size=_RESAMPLES)
    drawn = estimate_ece(np.einsum("rs,sbk->rbk", times, sums))
    drawn = drawn - (drawn.mean() - float(estimate_ece(sums.sum(axis=0))))
    low, high = np.maximum(np.quantile(drawn, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]), 0.0)
    return Interval(_LEVEL, float(low), float(high), "speakers", _RESAMPLES)


def _decompose(rows: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    """Miscalibration, discrimination and uncertainty, summed over the classes."""
    parts = np.zeros(3)
    for index in range(rows.shape[1]):
        scores, hits = rows[:, index], (truth == index).astype(np.float64)
        _, where = np.unique(scores, return_inverse=True)  # equal scores are recalibrated alike
        counts = np.bincount(where)
        fitted = fit_isotonic(np.bincount(where, hits) / counts, counts)[where]
        before, after = np.mean((scores - hits) ** 2), np.mean((fitted - hits) ** 2)
        uncertainty = np.mean((hits.mean() - hits) ** 2)
        parts += [before - after, uncertainty - after, uncertainty]
    return float(parts[0]), float(parts[1]), float(parts[2])


def fit_isotonic(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The rising sequence that is nearest to values, by pooling neighbours that fall (Ayer et al. 1955).

    Here rather than from scikit-learn, whose import takes longer than most evaluations.

    Args:
        values: (n,)
        weights: (n,) of their squared distances, positive

    Returns:
        (n,), float64.
    """
    pools: list[tuple[float, float, int]] = []  # mean, weight and length of each level
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, length = value, weight, 1
        while pools and pools[-1][0] >= mean:
            before, pooled, count = pools.pop()
            mean = (before * pooled + mean * total) / (pooled + total)
            total, length = pooled + total, length + count
        pools.append((mean, total, length))
    return np.repeat([mean for mean, _, _ in pools], [length for _, _, length in pools])


def _score_speaker(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    means = {name: float(rows.mean()) for name, rows in values.items()}
    return means | {"gap": means["confidence"] - means["accuracy"], "support": len(values["accuracy"])}
