"""The interval of the UAR over speakers, by resampling speakers.

    counts (S, C, C), one matrix a speaker --S speakers drawn with replacement, R times--> UAR (R,) --> Interval

Several runs of one system (seeds), counts (runs, S, C, C), are resampled at once; the interval is that of their mean
UAR.

Utterances of one speaker are correlated, so drawing utterances would give intervals that are too narrow. Whole
speakers are drawn instead, with all their utterances: a cluster bootstrap (Davison & Hinkley 1997, Bootstrap
Methods and their Application, section 3.8), read off by percentiles (Efron & Tibshirani 1993, An Introduction to the
Bootstrap, chapter 13). Where a draw misses a class, its UAR is over the classes that it has.

The interval leaves training out: other seeds or training data move a score as well. And with few speakers (below ten
or so) percentile intervals come out too narrow.
"""

from dataclasses import dataclass

import numpy as np

from ser_tl.errors import ConfigError
from ser_tl.evaluation.scores import mean_recall


@dataclass(frozen=True)
class Interval:
    """A bootstrap interval.

    Args:
        level: its nominal coverage, a fraction
        low: lower end, a fraction
        high: upper end, a fraction
        over: what was resampled
        resamples: how many draws it is read from
    """

    level: float
    low: float
    high: float
    over: str
    resamples: int


def speaker_interval(
    counts: np.ndarray, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> Interval | None:
    """The interval of the UAR over speakers.

    Args:
        counts: confusion matrices (S, C, C), one a speaker, each with at least one utterance; or (runs, S, C, C) of
            several runs, where a run's matrix is empty for a speaker that it didn't test
        level: nominal coverage, between 0 and 1
        resamples: number of draws, R
        seed: of the draws; the same seed gives the same interval

    Returns:
        the interval, or None where there is one speaker only: nothing can be said about others then

    Raises:
        ConfigError: a level or a number of resamples that gives no interval, or a speaker without an utterance
    """
    return _interval(_runs(counts)[None], np.ones(1), level, resamples, seed)


def paired_interval(
    counts: np.ndarray, others: np.ndarray, *, level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> Interval | None:
    """The interval of one system's UAR minus another's, both tested on the same speakers.

    The same speakers are drawn for both, so how hard a speaker is cancels out.

    Args:
        counts: confusion matrices of the one, as for `speaker_interval`
        others: of the other, the same speakers in the same order
        level: nominal coverage, between 0 and 1
        resamples: number of draws, R
        seed: of the draws

    Returns:
        the interval, or None where there is one speaker only

    Raises:
        ConfigError: as for `speaker_interval`, or other speakers or numbers of utterances on the two sides
    """
    if counts.shape != others.shape or (counts.sum(axis=-1) != others.sum(axis=-1)).any():
        raise ConfigError("two systems can be paired on the same utterances of the same speakers only")
    return _interval(np.stack([_runs(counts), _runs(others)]), np.array([1.0, -1.0]), level, resamples, seed)


def _runs(counts: np.ndarray) -> np.ndarray:
    """Counts (runs, S, C, C), of a single run if they have no such axis."""
    return counts.reshape(-1, *counts.shape[-3:])


def _interval(counts: np.ndarray, signs: np.ndarray, level: float, resamples: int, seed: int) -> Interval | None:
    """Of the signed sum of some systems' mean UAR; counts (systems, runs, S, C, C)."""
    if not 0 < level < 1 or resamples < 1:
        raise ConfigError(f"found level={level}, resamples={resamples}; give 0 < level < 1 and at least one resample")
    systems, runs, speakers, classes = counts.shape[:4]
    if (counts.sum(axis=(1, 3, 4)) == 0).any():
        raise ConfigError("a speaker has an empty confusion matrix: leave speakers without utterances out")
    if speakers < 2:
        return None
    # How often each speaker is drawn is multinomial, so R draws are one product of (R, S) and (S, C * C).
    times = np.random.default_rng(seed).multinomial(speakers, np.full(speakers, 1 / speakers), size=resamples)
    drawn = (times @ counts.reshape(systems, runs, speakers, -1)).reshape(systems, runs, resamples, classes, classes)
    means = np.nanmean(mean_recall(drawn), axis=1)  # a draw may have none of the speakers that one of the runs tested
    low, high = np.quantile(signs @ means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(level=level, low=float(low), high=float(high), over="speakers", resamples=resamples)
