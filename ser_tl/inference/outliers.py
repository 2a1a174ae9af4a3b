"""The outlier score of a trained model, and the threshold that new speakers' clips stay below.

embeddings of training clips, speakers --fit_outliers()--> OutlierFit
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ser_tl.modules.conformal import Unit, find_threshold
from ser_tl.modules.outliers import OutlierScore

BELOW = 0.95
"""Share of new speakers' clips whose outlier score is below the threshold."""

MOST_CLIPS = 3000
"""Of those an outlier score is fitted on."""

GROUPS = 5
"""Of speakers, held out in turn."""


class OutlierFit(NamedTuple):
    """An outlier score and what it says of the clips that it was fitted on.

    Attributes:
        score: of all of them
        threshold: below which 95 % of new speakers' clips are; None where no speaker can be held out
        scores: (n,) of each clip by the score of other speakers; None likewise
    """

    score: OutlierScore
    threshold: float | None
    scores: np.ndarray | None


def fit_outliers(embedding: Tensor, labels: Tensor, speakers: Sequence[str], classes: int) -> OutlierFit:
    """The outlier score of some training clips, and its threshold by speakers held out in turn.

    Args:
        embedding: (n, E)
        labels: (n,) class indices
        speakers: n names
        classes: number of classes, C
    """
    names = sorted(set(speakers))
    group = torch.tensor([names.index(name) % GROUPS for name in speakers])
    scores = torch.full((len(labels),), torch.nan)
    for out in range(min(GROUPS, len(names)) if len(names) > 1 else 0):
        inside = group != out
        scores[~inside] = fit_score(embedding[inside], labels[inside], classes)(embedding[~inside])
    score = fit_score(embedding, labels, classes)
    if scores.isnan().any():
        return OutlierFit(score, None, None)
    return OutlierFit(score, score_threshold(scores, speakers), scores.numpy())


def fit_score(embedding: Tensor, labels: Tensor, classes: int) -> OutlierScore:
    """The score of clips with embeddings (n, E) and class indices (n,), of at most `MOST_CLIPS` of them."""
    if len(labels) > MOST_CLIPS:  # more tell little, and the covariance of all takes minutes
        chosen = torch.from_numpy(np.random.default_rng(0).permutation(len(labels))[:MOST_CLIPS]).sort().values
        embedding, labels = embedding[chosen], labels[chosen]
    return OutlierScore.fit(embedding, labels, classes)


def score_threshold(scores: Tensor, speakers: Sequence[str]) -> float | None:
    """The score below which a share of new speakers' clips are."""
    people = len(set(speakers))
    unit: Unit = "speakers" if BELOW * (people + 1) <= people + 1e-9 else "clips"
    return find_threshold(scores.double().numpy(), np.array(speakers), BELOW, unit)
