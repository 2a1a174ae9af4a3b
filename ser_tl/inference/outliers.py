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
        remoteness: (n,) distance of each clip to those of other speakers, relative to the usual one; None likewise
    """

    score: OutlierScore
    threshold: float | None
    remoteness: np.ndarray | None


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
    score, measured = fit_score(embedding, labels, classes), []
    for out in range(min(GROUPS, len(names)) if len(names) > 1 else 0):
        inside = group != out
        measured.append(fit_score(embedding[inside], labels[inside], classes).measure(embedding[~inside]))
    if not measured:
        return OutlierFit(score, None, None)
    held_out = torch.empty(len(labels), measured[0].shape[1])
    for out, rows in enumerate(measured):
        held_out[group == out] = rows
    set_usual(score, held_out, speakers)
    threshold = score_threshold(score.combine(held_out), speakers)
    return OutlierFit(
        score, threshold, None if threshold is None else score.relate_distance(held_out, threshold).numpy()
    )


def set_usual(score: OutlierScore, measured: Tensor, speakers: Sequence[str]) -> None:
    """Makes a score relative to what most clips of new speakers are below.

    Args:
        score: changed; one of the distance alone stays
        measured: (n, 1 or 2) of clips of speakers that it wasn't fitted on
        speakers: n names
    """
    if score.has_axes:
        limits = [score_threshold(column, speakers) for column in measured.T]
        usual = [max(limit, 1e-6) for limit in limits if limit is not None]
        if len(usual) == len(limits):  # else too few clips tell
            score.usual.copy_(torch.tensor(usual))


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
