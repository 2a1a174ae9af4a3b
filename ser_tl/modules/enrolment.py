"""A speaker's mean from a few clips without labels: how far it is to be believed, and enrolments made up for training.

    embedding (n, E), speakers --fit_prior--> how many clips the training speech's mean counts as
    embedding (n, E), speakers --simulate_enrolments--> the same clips as if each speaker had been enrolled with few

The mean of a speaker's clips is that of the speaker and of which emotions happen to be among them. It is pulled towards
the training speech's mean by n / (n + prior) for n clips: the best linear guess at a random effect (Robinson 1991),
which is MAP adaptation of a mean (Gauvain and Lee 1994). The prior is the variance within a speaker over that between
speakers. Embeddings are as the model normalises them by the training speech, whose mean is zero.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def believe(clips: int, prior: float) -> float:
    """The share of a speaker's mean of so many clips that is taken out, 0 to 1."""
    return clips / (clips + prior) if clips else 0.0


def fit_prior(embedding: Tensor, speakers: Sequence[str]) -> float:
    """How many clips of a speaker the training speech's mean counts as.

    Args:
        embedding: (n, E) of training speakers
        speakers: n names

    Returns:
        The variance within speakers, summed over channels, over that between them, which is what is left of the
        variance of their means without the share that comes from few clips; at most as many clips as they have on
        average, where no difference between speakers shows.
    """
    names, index = np.unique(np.asarray(speakers), return_inverse=True)
    rows, index = embedding.double(), torch.from_numpy(index.reshape(-1))
    counts = torch.bincount(index).double()
    means = _means(rows, index, len(names))
    average = len(rows) / len(names)
    if len(names) < 2 or len(rows) == len(names):
        return average
    within = float((rows - means[index]).square().sum() / (len(rows) - len(names)))
    grand = rows.mean(dim=0)
    spread = float((counts[:, None] * (means - grand).square()).sum() / (len(names) - 1))
    effective = (len(rows) - float(counts.square().sum()) / len(rows)) / (len(names) - 1)  # clips a speaker, of ANOVA
    between = (spread - within) / effective
    return min(within / between, average) if between > 0 else average


def simulate_enrolments(embedding: Tensor, speakers: Sequence[str], prior: float, seed: int) -> Tensor:
    """Each clip without its speaker's mean, as it would be had that speaker been enrolled with a few clips.

    Each clip has an enrolment of its own: 0, 1, 2, 4, ... or all clips of its speaker, each number equally often, drawn
    at random. So a classifier that learns from these rows knows how far off such a mean can be.

    Args:
        embedding: (n, E)
        speakers: n names
        prior: as of `believe`
        seed: of the draws
    """
    draw = np.random.default_rng(seed)
    names = np.asarray(speakers)
    rows = embedding.clone()
    for name in np.unique(names):
        clips = np.flatnonzero(names == name)
        sizes = enrolment_sizes(len(clips))
        for clip, size in zip(clips, draw.permutation(np.resize(sizes, len(clips))), strict=True):
            if size:
                chosen = torch.from_numpy(draw.choice(clips, size, replace=False))
                rows[clip] -= believe(int(size), prior) * embedding[chosen].mean(dim=0)
    return rows


def enrolment_sizes(clips: int) -> list[int]:
    """How many of a speaker's clips are tried as an enrolment: none, powers of two, and all of them."""
    sizes = [0, *(2**power for power in range(clips.bit_length()))]
    return sorted({size for size in sizes if size < clips} | {clips})


def center_speakers(embedding: Tensor, speakers: Sequence[str], prior: float) -> Tensor:
    """Each clip without its speaker's mean over all clips there are of the speaker.

    Args:
        embedding: (n, E)
        speakers: n names
        prior: as of `believe`
    """
    names, index = np.unique(np.asarray(speakers), return_inverse=True)
    index = torch.from_numpy(index.reshape(-1))
    counts = torch.bincount(index).to(embedding.dtype)
    return embedding - ((counts / (counts + prior))[:, None] * _means(embedding, index, len(names)))[index]


def _means(rows: Tensor, index: Tensor, groups: int) -> Tensor:
    """The mean (groups, E) of the rows of each group."""
    total = torch.zeros(groups, rows.shape[1], dtype=rows.dtype).index_add_(0, index, rows)
    return total / torch.bincount(index, minlength=groups)[:, None]
