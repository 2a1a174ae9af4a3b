"""Arousal, valence and dominance of a test set, annotated and predicted, and the correlation of the two.

    Ratings(names, annotated (U, K), predicted (U, K)) --score()--> {name: DimensionScores}

The concordance correlation (Lin 1989, equation 1) asks for the same values, Pearson's for the same up to shift and
scale. Utterances without an annotation are left out. Both figures follow from six sums, so that speakers, drawn with
replacement as in `bootstrap`, add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from ser_tl.errors import ConfigError
from ser_tl.evaluation.bootstrap import Interval

LEVEL, RESAMPLES = 0.95, 1000
_NOTHING = 1e-12  # a variance below this share of the largest square is rounding


@dataclass(frozen=True)
class DimensionScores:
    """The figures of one dimension: how far predictions agree with annotations.

    Args:
        ccc: concordance correlation, -1 to 1; None where the annotations don't vary
        pearson: Pearson's correlation, -1 to 1; None where either doesn't vary
        ccc_interval: over speakers; None with one speaker only
        pearson_interval: likewise
        support: how many utterances are annotated
    """

    ccc: float | None
    pearson: float | None
    ccc_interval: Interval | None
    pearson_interval: Interval | None
    support: int


@dataclass(frozen=True, eq=False)
class Ratings:
    """Dimensions of U utterances.

    Args:
        names: of the K dimensions
        annotated: (U, K) on the corpus' scale, NaN where unknown
        predicted: (U, K) on the scale of the training annotations

    Raises:
        ConfigError: shapes that don't fit together, or a prediction that is no finite number
    """

    names: list[str]
    annotated: np.ndarray
    predicted: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", list(self.names))
        for name in ("annotated", "predicted"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        shapes = self.annotated.shape, self.predicted.shape
        if shapes[0] != shapes[1] or self.annotated.ndim != 2 or shapes[0][1] != len(self.names) or not self.names:
            raise ConfigError(
                f"annotations of shape {shapes[0]}, predictions of shape {shapes[1]}, names {self.names}: expected "
                f"(utterances, dimensions) twice, and a name for each dimension"
            )
        if not np.isfinite(self.predicted).all():
            raise ConfigError("predicted dimensions are NaN or infinite: the training diverged; take a lower rate")

    @property
    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Annotated and predicted, (U, K) each."""
        return self.annotated, self.predicted

    @property
    def mean_ccc(self) -> float:
        """The mean of the dimensions' CCC, of those that have one.

        Raises:
            ConfigError: none has
        """
        pairs = zip(self.annotated.T, self.predicted.T, strict=True)
        figures = [
            float(figure) for figure in (_correlate(_sum_terms(*pair))[0] for pair in pairs) if not np.isnan(figure)
        ]
        if not figures:
            raise ConfigError("no dimension has a CCC: none is annotated with two different values")
        return fmean(figures)

    def score(self, speakers: Sequence[str], *, seed: int = 0) -> dict[str, DimensionScores]:
        """The figures of each dimension.

        Args:
            speakers: of each utterance
            seed: of the draws of speakers
        """
        columns = zip(self.names, self.annotated.T, self.predicted.T, strict=True)
        return {name: _score_dimension(annotated, predicted, speakers, seed) for name, annotated, predicted in columns}


def _score_dimension(
    annotated: np.ndarray, predicted: np.ndarray, speakers: Sequence[str], seed: int
) -> DimensionScores:
    annotated_rows = ~np.isnan(annotated)
    overall = _correlate(_sum_terms(annotated, predicted))
    names, index = np.unique(np.array(speakers)[annotated_rows], return_inverse=True)
    intervals: list[Interval | None] = [None, None]
    if len(names) > 1:
        # One centre for all speakers: their sums have to add up.
        centre = annotated[annotated_rows].mean()
        sums = np.zeros((len(names), 6))
        np.add.at(sums, index, _terms(annotated[annotated_rows] - centre, predicted[annotated_rows] - centre))
        times = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
        intervals = [_percentile_interval(drawn) for drawn in _correlate(times @ sums)]
    ccc, pearson = (None if np.isnan(figure) else float(figure) for figure in overall)
    return DimensionScores(ccc, pearson, intervals[0], intervals[1], int(annotated_rows.sum()))


def _percentile_interval(drawn: np.ndarray) -> Interval | None:
    """By percentiles, of the draws that have a figure: one may hold a single speaker with equal annotations."""
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return None
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(level=LEVEL, low=float(low), high=float(high), over="speakers", resamples=RESAMPLES)


def _terms(annotated: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Each utterance's terms of the six sums, (U, 6)."""
    terms = [np.ones_like(annotated), annotated, predicted, annotated**2, predicted**2, annotated * predicted]
    return np.stack(terms, axis=-1)


def _sum_terms(annotated: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    rows = ~np.isnan(annotated)
    centre = annotated[rows].mean() if rows.any() else 0.0
    return _terms(annotated[rows] - centre, predicted[rows] - centre).sum(axis=0)


def _correlate(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """CCC and Pearson's correlation, NaN where undefined; sums (..., 6)."""
    means = sums[..., 1:] / np.maximum(sums[..., :1], 1)
    first, second, first_square, second_square, product = np.moveaxis(means, -1, 0)
    tiny = _NOTHING * np.maximum(first_square, second_square)
    first_variance, second_variance = first_square - first**2, second_square - second**2
    covariance = product - first * second
    varies = first_variance > tiny, second_variance > tiny
    denominator = first_variance + second_variance + (first - second) ** 2
    ccc = np.where(varies[0], 2 * covariance / np.where(varies[0], denominator, 1.0), np.nan)
    both_vary = varies[0] & varies[1]
    return ccc, np.where(
        both_vary, covariance / np.sqrt(np.where(both_vary, first_variance * second_variance, 1.0)), np.nan
    )
