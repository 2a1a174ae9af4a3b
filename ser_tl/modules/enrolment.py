"""A speaker's mean from a few clips without labels: how far it is believed, and enrolments made up for training.

    embedding (n, E), speakers --fit_prior--> SpeakerPrior: mean of k clips (E,), k -> what is taken out (E,)
    embedding (n, E), speakers --simulate_enrolments--> the same clips as if each speaker had been enrolled with few

The mean of a speaker's k clips is that of the speaker and of which emotions and words happen to be among them. Of each
direction of the embedding as much is taken out as speakers are known to differ in it: k / (k + w / b), for a variance w
within speakers and b between them. That is the best linear guess at a random effect (Robinson 1991), MAP adaptation of
a mean (Gauvain and Lee 1994), and with directions of their own eigenvoices (Kuhn et al. 2000). Emotions differ within
speakers, so that what is taken out has little of them. Embeddings are as the model normalises them by the training
speech, whose mean is zero.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ser_tl.modules.feature_norm import SpeakerPrior, believe

WITHIN_SHRINKAGE = 0.5
"""Share of the identity in the covariance within speakers."""

BETWEEN_SHRINKAGE = 0.8
"""Likewise between speakers, of whom there are few: their means span few directions, and new speakers have others."""

RANK = 64
"""Directions that have variances of their own; all others share theirs."""

_TYPICAL = 4  # clips of an enrolment, for which directions are chosen


class Variances(NamedTuple):
    """The covariances of embeddings, in coordinates that span the training clips.

    Attributes:
        basis: (E, r), orthonormal
        within: (r, r) of clips around their speakers' means
        between: (r, r) of these means, without what comes from their few clips
    """

    basis: Tensor
    within: Tensor
    between: Tensor


def fit_prior(
    embedding: Tensor, speakers: Sequence[str], rank: int = RANK, *, labels: Tensor | None = None, classes: int = 0
) -> SpeakerPrior:
    """The prior of some training speakers.

    Args:
        embedding: (n, E)
        speakers: n names, of two at least, and more than one clip of some
        rank: directions with variances of their own, at most; 0 shares them all
        labels: (n,) class indices, for enrolments with labels
        classes: number of classes, C
    """
    variances = measure_variances(embedding.double(), speakers)
    basis, within, between = variances
    size, average = len(within), len(embedding) / len(set(speakers))
    total_within, total_between = float(within.trace()), float(between.trace())
    differ = total_between > 0 and total_within > 0
    # Where no difference between speakers shows, half of a mean of twice as many clips as they have is believed.
    least = 1.0 / (2.0 * average)
    ratio = max(total_between / total_within, least) if differ else least
    prior = SpeakerPrior(embedding.shape[1], min(rank, size) if differ else 0, classes)
    if labels is not None:
        _, index = np.unique(np.asarray(speakers), return_inverse=True)
        centred = embedding - _mean_by(embedding, torch.from_numpy(index.reshape(-1)))
        prior.class_means[labels] = _mean_by(centred, labels).to(prior.class_means)
    prior.rest.fill_(ratio)
    if not prior.rank:
        return prior
    identity = torch.eye(size, dtype=within.dtype)
    within = (1 - WITHIN_SHRINKAGE) * within + WITHIN_SHRINKAGE * total_within / size * identity
    between = (1 - BETWEEN_SHRINKAGE) * between + BETWEEN_SHRINKAGE * total_between / size * identity
    values, vectors = torch.linalg.eigh(within)
    whiten, colour = (vectors / values.sqrt()) @ vectors.T, (vectors * values.sqrt()) @ vectors.T
    ratios, rotation = torch.linalg.eigh(whiten @ between @ whiten)
    synthesis = colour @ rotation  # (r, r)
    energy = synthesis.square().sum(dim=0)  # of each direction, within speakers
    change = believe(torch.tensor(float(_TYPICAL)), ratios) - believe(torch.tensor(float(_TYPICAL)), prior.rest)
    order = (energy * (ratios + 1.0 / _TYPICAL) * change.square()).argsort(descending=True)
    chosen, others = order[: prior.rank], order[prior.rank :]
    if len(others):
        prior.rest.fill_(float((energy * ratios)[others].sum() / energy[others].sum()))
    prior.synthesis.copy_(basis @ synthesis[:, chosen])
    prior.analysis.copy_((rotation.T @ whiten)[chosen] @ basis.T)
    prior.ratios.copy_(ratios[chosen])
    return prior


def _mean_by(rows: Tensor, index: Tensor) -> Tensor:
    """For each row the mean of those with its index."""
    total = torch.zeros(int(index.max()) + 1, rows.shape[1], dtype=rows.dtype).index_add_(0, index, rows)
    return (total / torch.bincount(index).clamp_min(1)[:, None])[index]


def measure_variances(embedding: Tensor, speakers: Sequence[str]) -> Variances:
    """The covariances within and between speakers, as an analysis of variance has them.

    Args:
        embedding: (n, E) float64
        speakers: n names
    """
    names, index = np.unique(np.asarray(speakers), return_inverse=True)
    index = torch.from_numpy(index.reshape(-1))
    counts = torch.bincount(index).double()
    if len(embedding) < embedding.shape[1]:  # the smaller of the Gram matrix (n, n) and the covariance (E, E)
        values, vectors = torch.linalg.eigh(embedding @ embedding.T)
        positive = values > 1e-9 * values.max()
        basis = embedding.T @ (vectors[:, positive] / values[positive].sqrt())  # (E, r)
    else:
        values, vectors = torch.linalg.eigh(embedding.T @ embedding)
        basis = vectors[:, values > 1e-9 * values.max()]
    rows = embedding @ basis
    means = torch.zeros(len(names), rows.shape[1], dtype=rows.dtype).index_add_(0, index, rows) / counts[:, None]
    residual = rows - means[index]
    within = residual.T @ residual / max(1, len(rows) - len(names))
    spread = (means - rows.mean(dim=0)) * counts.sqrt()[:, None]
    effective = (len(rows) - float(counts.square().sum()) / len(rows)) / max(1, len(names) - 1)  # clips a speaker
    between = (spread.T @ spread / max(1, len(names) - 1) - within) / effective
    total = float(between.trace())
    values, vectors = torch.linalg.eigh(between)
    definite = (vectors * values.clamp_min(0.0)) @ vectors.T
    scale = max(total, 0.0) / max(float(definite.trace()), 1e-12)
    return Variances(basis, within, definite * scale)


def simulate_enrolments(embedding: Tensor, speakers: Sequence[str], prior: SpeakerPrior, seed: int) -> Tensor:
    """Each clip without what would be taken out of it had its speaker been enrolled with a few clips.

    Each clip has an enrolment of its own: 0, 1, 2, 4, ... other clips of its speaker, drawn at random, or all, each
    number equally often. So a classifier that learns from these rows knows how far off such a mean can be.

    Args:
        embedding: (n, E)
        speakers: n names
        prior: of these speakers
        seed: of the draws
    """
    draw = np.random.default_rng(seed)
    names = np.asarray(speakers)
    means, sizes = torch.zeros_like(embedding), torch.zeros(len(embedding), dtype=torch.long)
    for name in np.unique(names):
        clips = np.flatnonzero(names == name)
        tried = draw.permutation(np.resize(enrolment_sizes(len(clips)), len(clips)))
        for clip, size in zip(clips, tried, strict=True):
            if size:
                others = clips if size == len(clips) else clips[clips != clip]
                chosen = torch.from_numpy(draw.choice(others, size, replace=False))
                means[clip], sizes[clip] = embedding[chosen].mean(dim=0), int(size)
    return embedding - prior(means, sizes)


def enrolment_sizes(clips: int) -> list[int]:
    """How many of a speaker's clips are tried as an enrolment: none, powers of two, and all of them."""
    sizes = [0, *(2**power for power in range(clips.bit_length()))]
    return sorted({size for size in sizes if size < clips} | {clips})
