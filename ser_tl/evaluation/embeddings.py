"""Embeddings of utterances with emotion and speaker, a map in two dimensions, and the distance between two domains.

Embeddings (n, E) --project_tsne()--> points (n, 2)      source (n, E), target (m, E) --squared_mmd()--> MMD squared
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ser_tl.errors import ConfigError

_NEIGHBOURS = 30.0  # t-SNE's perplexity where there are enough points (van der Maaten and Hinton 2008 take 5 to 50)
_COMPONENTS = 50  # principal components of wider embeddings, the input of t-SNE


@dataclass(frozen=True, eq=False)
class Embeddings:
    """The embeddings of n utterances.

    Args:
        values: (n, E)
        ids: the utterances
        emotions: of each
        speakers: of each

    Raises:
        ConfigError: the parts don't fit together
    """

    values: np.ndarray
    ids: Sequence[str]
    emotions: Sequence[str]
    speakers: Sequence[str]

    def __post_init__(self) -> None:
        for name in ("ids", "emotions", "speakers"):  # a dataset's column is a lazy view: keep its values
            object.__setattr__(self, name, list(getattr(self, name)))
        sizes = {len(self.values), len(self.ids), len(self.emotions), len(self.speakers)}
        if self.values.ndim != 2 or len(sizes) > 1:
            raise ConfigError(
                f"found values of shape {self.values.shape}, {len(self.ids)} ids, {len(self.emotions)} emotions and "
                f"{len(self.speakers)} speakers; give (n, E) and one of each for each of the n"
            )

    def __len__(self) -> int:
        return len(self.ids)


def project_tsne(values: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """A map of embeddings in two dimensions, by t-SNE: neighbours stay neighbours, distances mean nothing.

    Channels are standardised, and wide embeddings reduced to their first 50 principal components before.

    Args:
        values: (n, E)
        seed: the same seed gives the same map

    Returns:
        (n, 2)

    Raises:
        ConfigError: fewer than five utterances
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    if len(values) < 5:
        raise ConfigError(f"{len(values)} utterances: a map needs at least 5")
    rows = np.asarray(values, dtype=np.float64)
    rows = (rows - rows.mean(axis=0)) / (rows.std(axis=0) + 1e-6)
    components = min(_COMPONENTS, *rows.shape)
    rows = PCA(components, random_state=seed).fit_transform(rows)
    perplexity = min(_NEIGHBOURS, (len(rows) - 1) / 3)
    init = "pca" if components > 1 else "random"
    return TSNE(init=init, perplexity=perplexity, random_state=seed).fit_transform(rows)


def squared_mmd(source: np.ndarray, target: np.ndarray) -> float:
    """The distance between two domains: the unbiased squared maximum mean discrepancy (Gretton et al. 2012, lemma 6).

    The kernel is Gaussian, its width the median distance of all pairs, so the scale of the embeddings doesn't matter.
    Around zero, negative too, where both come from one distribution.

    Args:
        source: (n, E)
        target: (m, E)

    Raises:
        ConfigError: fewer than two utterances in a domain, or embeddings of different widths
    """
    if min(len(source), len(target)) < 2 or source.shape[1:] != target.shape[1:]:
        raise ConfigError(
            f"embeddings of shapes {source.shape} and {target.shape}: two a domain are needed, of one width"
        )
    from sklearn.metrics import pairwise_distances

    squares = pairwise_distances(np.concatenate([source, target]).astype(np.float64), metric="sqeuclidean")
    width = np.median(squares[np.triu_indices(len(squares), 1)])
    kernel = np.exp(-squares / max(float(width), np.finfo(float).tiny))
    within_source, within_target, across = (
        kernel[: len(source), : len(source)],
        kernel[len(source) :, len(source) :],
        kernel[: len(source), len(source) :],
    )
    return float(_mean_off_diagonal(within_source) + _mean_off_diagonal(within_target) - 2 * across.mean())


def _mean_off_diagonal(kernel: np.ndarray) -> float:
    """Mean of a kernel matrix without its diagonal."""
    return (kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1))
