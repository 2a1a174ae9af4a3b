"""A discriminant that goes on learning from clips that nobody has labelled, by what it hears in them itself.

    source (n, E), labels --fit_discriminant--> Discriminant --target (m, E)--> shares (m, C), balanced
      --fitted anew on both--> Discriminant --> ... a fixed number of rounds

Expectation maximisation with one Gaussian an emotion and one covariance for all, the target's emotions being what is
hidden. No label of the target, and no score on it, chooses anything: shrinkage and temperature are those of held-out
source speakers, and the number of rounds is fixed beforehand.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ser_tl.discriminant import Discriminant, Fit, fit_discriminant

ROUNDS = 12
"""Of hearing and fitting; what is heard hardly changes after the first few."""

_BALANCING = 50  # rounds of Sinkhorn's


def fit_self_trained(
    embedding: Tensor, labels: Tensor, speakers: Sequence[str], target: Tensor, classes: int, rounds: int = ROUNDS
) -> Fit:
    """The discriminant of labelled source clips and unlabelled target clips.

    In each round every target clip belongs to each emotion by a share, the discriminant's own probability, and the
    shares are balanced: all emotions together are heard equally often (Asano et al. 2020 label themselves under the
    same constraint). That takes the target's emotions to be about as frequent as each other, and keeps a round from
    giving everything to the emotion that was heard most. Both domains have half of the say, and in the source each
    emotion the same.

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
    for _ in range(rounds):
        with torch.no_grad():
            heard = discriminant(target.float()).double().softmax(dim=1)
        shares = torch.cat([known, balanced(heard, counts > 0) / len(target)])
        discriminant = soft_discriminant(rows, shares, fit.shrinkage, fit.temperature)
    return fit._replace(discriminant=discriminant)


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
