"""Answers of neighbouring hops, calmed: `ema:0.4`, `vote:5` or `none`.

Begun anew at each turn: the emotion of the last one is no evidence for the next.
"""

from collections import deque
from typing import Protocol

import numpy as np

from ser_tl.errors import ConfigError

_EXPECTED = "expected ema:WEIGHT (0 < WEIGHT <= 1, of the newest answer), vote:COUNT (2 or more answers) or none"


class Smoother(Protocol):
    """Probabilities (C,) hop by hop, in and out."""

    def smooth(self, probabilities: np.ndarray) -> np.ndarray:
        """The smoothed probabilities, adding up to 1."""
        ...

    def reset(self) -> None:
        """Forgets the hops before."""
        ...


class Unsmoothed:
    """Each hop's own answer."""

    def smooth(self, probabilities: np.ndarray) -> np.ndarray:
        """The same."""
        return probabilities

    def reset(self) -> None:
        """Nothing is kept."""


class ExponentialSmoothing:
    """An exponential moving average.

    Args:
        weight: of the newest answer
    """

    def __init__(self, weight: float) -> None:
        self.weight = weight
        self._mean: np.ndarray | None = None

    def smooth(self, probabilities: np.ndarray) -> np.ndarray:
        """The average up to here."""
        before = probabilities if self._mean is None else self._mean
        self._mean = before + self.weight * (probabilities - before)
        return self._mean

    def reset(self) -> None:
        """The next answer is the first."""
        self._mean = None


class Vote:
    """The share of votes among the last answers; of two with as many votes the one with the higher probabilities.

    Args:
        count: answers that vote
    """

    def __init__(self, count: int) -> None:
        self._recent: deque[np.ndarray] = deque(maxlen=count)

    def smooth(self, probabilities: np.ndarray) -> np.ndarray:
        """The shares; a millionth of the mean probabilities settles ties."""
        self._recent.append(np.asarray(probabilities, np.float64))
        rows = np.stack(list(self._recent))
        votes = np.bincount(rows.argmax(axis=1), minlength=rows.shape[1]) / len(rows)
        return (1 - 1e-6) * votes + 1e-6 * rows.mean(axis=0)

    def reset(self) -> None:
        """The next answer is the first."""
        self._recent.clear()


def make_smoother(spelling: str) -> Smoother:
    """The smoother that `ema:0.4`, `vote:5` or `none` stands for.

    Raises:
        ConfigError: another spelling
    """
    kind, _, value = spelling.partition(":")
    try:
        if kind == "ema" and 0 < float(value or 0.4) <= 1:
            return ExponentialSmoothing(float(value or 0.4))
        if kind == "vote" and int(value or 5) >= 2:
            return Vote(int(value or 5))
    except ValueError:
        kind = ""
    if spelling == "none":
        return Unsmoothed()
    raise ConfigError(f"smoothing {spelling!r}: {_EXPECTED}")
