"""The distance of two sets of clips, as two Gaussians in a space of features.

    features (n, E), features (m, E) --frechet_distance--> distance
    real features --PrincipalAxes.fit--> PrincipalAxes -> (n, K)

The distance of Heusel et al. 2017 (equation 6), which Kilgour et al. 2019 take to audio. It grows as sets get smaller,
so only distances of sets of one size, along the same axes, can be set side by side.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ser_tl.errors import ConfigError


@dataclass(frozen=True, eq=False)
class PrincipalAxes:
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
    def fit(cls, features: np.ndarray, most: int = 16) -> Self:
        """The axes of real features.

        Args:
            features: (n, E)
            most: number of axes K at most; fewer where there are fewer than 4 clips for each

        Raises:
            ConfigError: fewer than 8 clips
        """
        if len(features) < 8:
            raise ConfigError(f"{len(features)} clips: principal axes need at least 8")
        mean, deviation = features.mean(axis=0), features.std(axis=0) + 1e-6
        _, sizes, rows = np.linalg.svd((features - mean) / deviation, full_matrices=False)
        count = max(1, min(most, len(features) // 4, int((sizes > 1e-6 * sizes[0]).sum())))
        return cls(mean, deviation, rows[:count].T, sizes[:count] / np.sqrt(len(features)))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Features (n, E) along the axes, (n, K)."""
        return ((features - self.mean) / self.deviation) @ self.axes / self.scale


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """The Fréchet distance of two sets: |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)).

    Args:
        first: (n, K)
        second: (m, K)

    Raises:
        ConfigError: fewer than two clips, or features of different widths
    """
    if min(len(first), len(second)) < 2 or first.shape[1:] != second.shape[1:]:
        raise ConfigError(
            f"features of shapes {first.shape} and {second.shape}: two clips each are needed, of one width"
        )
    first_covariance, second_covariance = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (first, second))
    apart = np.square(first.mean(axis=0) - second.mean(axis=0)).sum()
    values, vectors = np.linalg.eigh(first_covariance)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    # (S1 S2)^(1/2) and (S1^(1/2) S2 S1^(1/2))^(1/2) have one trace, and the latter is symmetric
    cross_trace = np.sqrt(np.linalg.eigvalsh(root @ second_covariance @ root).clip(0)).sum()
    return float(apart + np.trace(first_covariance) + np.trace(second_covariance) - 2 * cross_trace)
