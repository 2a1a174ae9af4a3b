"""How far two sets of clips are apart, as two Gaussians in the space of some features.

    features (n, E), features (m, E) --frechet--> distance      real features --Axes.of--> Axes -> (n, K)

The distance of Heusel et al. 2017 (equation 6), which Kilgour et al. 2019 take to audio. It grows as sets get smaller,
so only distances of sets of one size, along the same axes, can be set side by side. It knows no model.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ser_tl.errors import ConfigError


@dataclass(frozen=True, eq=False)
class Axes:
    """Principal axes of real features, scaled to unit variance: with few clips, covariances need few dimensions.

    Args:
        mean: (E,)
        deviation: (E,)
        axes: (E, K)
        scale: (K,) deviations along the axes
    """

    mean: np.ndarray
    deviation: np.ndarray
    axes: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, most: int = 16) -> Self:
        """The axes of real features.

        Args:
            features: (n, E)
            most: axes that are kept, K; fewer where there are fewer than 4 clips for each

        Raises:
            ConfigError: fewer than 8 clips
        """
        if len(features) < 8:
            raise ConfigError(f"{len(features)} clips: principal axes need at least 8")
        mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
        _, sizes, rows = np.linalg.svd((features - mean) / deviation, full_matrices=False)
        kept = max(1, min(most, len(features) // 4, int((sizes > 1e-6 * sizes[0]).sum())))
        return cls(mean, deviation, rows[:kept].T, sizes[:kept] / np.sqrt(len(features)))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Features (n, E) along the axes, (n, K)."""
        return ((features - self.mean) / self.deviation) @ self.axes / self.scale


def frechet(one: np.ndarray, other: np.ndarray) -> float:
    """The Fréchet distance of two sets: |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)).

    Args:
        one: (n, K)
        other: (m, K)

    Raises:
        ConfigError: fewer than two clips, or features of different widths
    """
    if min(len(one), len(other)) < 2 or one.shape[1:] != other.shape[1:]:
        raise ConfigError(f"features of shapes {one.shape} and {other.shape}: two clips each are needed, of one width")
    first, second = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (one, other))
    apart = np.square(one.mean(axis=0) - other.mean(axis=0)).sum()
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    # (S1 S2)^(1/2) and (S1^(1/2) S2 S1^(1/2))^(1/2) have one trace, and the latter is symmetric
    both = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    return float(apart + np.trace(first) + np.trace(second) - 2 * both)
