"""A discriminant that goes on learning from clips that nobody has labelled, by what it hears in them itself.

    source (n, E), labels --fit_discriminant--> Discriminant --target (m, E)--> guesses, the surest of each emotion
      --fitted anew on both--> Discriminant --> ... a fixed number of rounds

Class-balanced self-training (Zou et al. 2018): what is believed is not what lies above a threshold, which loud emotions
pass first, but the surest share of each emotion, and a larger share in each round. No label of the target, and no score
on it, is there to choose anything: the shrinkage is that of held-out source speakers, and the rounds are fixed.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ser_tl.discriminant import Discriminant, Fit, fit_discriminant

ROUNDS = 12
"""Of guessing and fitting."""

FIRST_SHARE = 0.3
"""Of each emotion's guesses that are believed in the first round; all of them in the last."""

_BALANCING = 50  # rounds of Sinkhorn's


def fit_self_trained(
    embedding: Tensor, labels: Tensor, speakers: Sequence[str], target: Tensor, classes: int, rounds: int = ROUNDS
) -> Fit:
    """The discriminant of labelled source clips and unlabelled target clips.

    In each round the discriminant's probabilities are balanced, so that all emotions together are heard equally often
    (Asano et al. 2020 label themselves under the same constraint), each clip is guessed to be of its likeliest emotion,
    and the surest guesses of each emotion are learned from. That takes the target's emotions to be about as frequent as
    each other, and keeps a round from giving everything to the emotion that was heard most. Both domains have half of
    the say, and in each of them every emotion the same.

    Args:
        embedding: the source's, (n, E); standardised by domain or speaker, or the rounds drift apart
        labels: (n,) class indices
        speakers: n names
        target: the target's, (m, E), standardised likewise
        classes: number of classes, C
        rounds: how many; 0 gives the source's discriminant

    Raises:
        ConfigError: as of `fit_discriminant`
    """
    fit = fit_discriminant(embedding, labels, speakers, classes)
    rows = torch.cat([embedding, target]).double()
    counts = torch.bincount(labels, minlength=classes)
    known = torch.nn.functional.one_hot(labels, classes).double() / counts.clamp_min(1)
    known = known / (counts > 0).sum()  # adds up to 1, as the target's shares will
    discriminant = fit.discriminant
    for number in range(rounds):
        share = FIRST_SHARE + (1.0 - FIRST_SHARE) * number / max(rounds - 1, 1)
        with torch.no_grad():
            heard = discriminant(target.float()).double().softmax(dim=1)
        shares = torch.cat([known, surest(balanced(heard, counts > 0), share)])
        discriminant = soft_discriminant(rows, shares, fit.shrinkage, fit.temperature)
    return fit._replace(discriminant=discriminant)


def surest(probabilities: Tensor, share: float) -> Tensor:
    """Weights (m, C) of the surest guesses of each emotion, which add up to 1 and to the same for each guessed emotion.

    Args:
        probabilities: (m, C)
        share: of each emotion's guesses, between 0 and 1; at least one is kept
    """
    guess = probabilities.argmax(dim=1)
    weights = torch.zeros_like(probabilities)
    for emotion in guess.unique():
        clips = (guess == emotion).nonzero()[:, 0]
        order = probabilities[clips, emotion].argsort(descending=True, stable=True)
        kept = clips[order[: max(1, int(share * len(clips)))]]
        weights[kept, emotion] = 1.0 / len(kept)
    return weights / weights.sum()


def balanced(probabilities: Tensor, occurs: Tensor) -> Tensor:
    """The nearest shares (m, C) that add up to 1 for each clip and to the same for each emotion (Sinkhorn 1967).

    Args:
        probabilities: (m, C)
        occurs: (C,), False for emotions that get nothing
    """
    shares = probabilities * occurs
    each = len(shares) / float(occurs.sum())
    for _ in range(_BALANCING):
        shares = shares * (each / shares.sum(dim=0).clamp_min(1e-12))
        shares = shares / shares.sum(dim=1, keepdim=True).clamp_min(1e-12)
    return shares


def soft_discriminant(embedding: Tensor, shares: Tensor, shrinkage: float, temperature: float) -> Discriminant:
    """The discriminant of clips that belong to each emotion by a share.

    Args:
        embedding: (n, E), float64
        shares: (n, C), 0 or more; a clip's sum is its weight
        shrinkage: share of the identity in the covariance within emotions
        temperature: by which the logits are divided

    Returns:
        As `fit_discriminant` gives it; an emotion without any share is never told.
    """
    shares = shares / shares.sum()
    weight = shares.sum(dim=1, keepdim=True)
    mean = (weight * embedding).sum(dim=0)
    deviation = (weight * (embedding - mean).square()).sum(dim=0).sqrt() + 1e-6
    rows = (embedding - mean) / deviation
    mass = shares.sum(dim=0)
    occurs = mass > 1e-9
    means = (shares.T @ rows) / mass.clamp_min(1e-9)[:, None]
    within = (weight * rows).T @ rows - (mass[:, None] * means).T @ means
    size = within.diagonal().sum() / len(within)
    within = (1.0 - shrinkage) * within
    within.diagonal().add_(shrinkage * size)
    directions = torch.linalg.solve(within, means.T).T  # (C, E), on standardised embeddings
    bias = (-0.5 * (directions * means).sum(dim=1)).masked_fill(~occurs, -1e4)
    directions = directions / deviation
    fitted = Discriminant(embedding.shape[1], shares.shape[1])
    with torch.no_grad():
        fitted.weight.copy_(directions / temperature)
        fitted.bias.copy_((bias - directions @ mean) / temperature)
    return fitted
