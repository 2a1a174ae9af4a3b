"""A linear classifier moved to recordings of another kind, without labels: EM on the means of its class Gaussians.

    classifier, class means of its OutlierScore --ClassSpace.from_head()--> z (n, C - 1), where every class is round
    z of the target --fit_means()--> the target's class means and the shares of its emotions
    two halves of the channels, a classifier each --measure_agreement()--> about the accuracy there
    z before and after --measure_variety()--> whether there are several emotions at all

The class Gaussians are those that the classifier implies, so that no clip of the source is needed. Their means move
towards the clips that are taken for theirs, held back by where they come from (MAP-EM; Gauvain and Lee 1994). The
covariance stays, and so do equal priors: answers are to be right for rare emotions too. The shares of emotions are an
estimate for the reader (Saerens et al. 2002). How far two classifiers of different channels agree says about how often
they are right, if they err apart (Jiang et al. 2022). Knows embeddings only.
"""

import math
from typing import NamedTuple, Self

import torch
from torch import Tensor

from ser_tl.modules.outliers import OutlierScore

KAPPA = 0.3
"""How much a class' mean in the source counts, as a share of the target's clips of one emotion."""

ROUNDS = 50
"""Of EM; the means hardly move after twenty."""

LEAST_SPREAD = 0.05
"""Of a channel in the target, in deviations of the source: one that is nearly silent isn't blown up."""

_ABSENT = 100.0  # deviations: `OutlierScore` puts a class without a clip farther away


class ClassSpace(NamedTuple):
    """The directions in which classes differ, as wide within classes in each: Fisher's discriminant space.

    Attributes:
        projection: (E, D) from embeddings
        offset: (D,) that is taken off after it
        means: (C, D) of the classes
        occurs: (C,) False for classes without a clip, whose mean says nothing
    """

    projection: Tensor
    offset: Tensor
    means: Tensor
    occurs: Tensor

    @classmethod
    def from_head(cls, weight: Tensor, score: OutlierScore) -> Self:
        """The space in which a linear classifier's logits are those of round classes.

        Of a discriminant, whose weights are the class means divided by the covariance: weights times means are the
        means' squared distances, whatever the covariance is, and their axes are the space's. Another linear classifier
        is taken for the discriminant that it is nearest to.

        Args:
            weight: (C, E) of the classifier
            score: of its training clips, for the class means
        """
        occurs = score.means.abs().amax(dim=1) < _ABSENT
        means = score.means.double() / score.inverse_deviation.double() + score.mean.double()
        away = means - means[occurs].mean(dim=0)
        directions = weight.double()[occurs] - weight.double()[occurs].mean(dim=0)
        distances = directions @ away[occurs].T
        values, vectors = torch.linalg.eigh(0.5 * (distances + distances.T))
        positive = values > 1e-6 * values.max()
        projection = directions.T @ (vectors[:, positive] / values[positive].sqrt())
        centred = away.where(occurs[:, None], 0.0) @ projection
        return cls(projection, means[occurs].mean(dim=0) @ projection, centred, occurs)

    @classmethod
    def from_score(cls, score: OutlierScore, channels: Tensor | None = None) -> Self:
        """The space of a score's class means and covariance.

        Args:
            score: of the training clips
            channels: indices of those of an embedding that are looked at; all if None
        """
        width = len(score.mean)
        channels = torch.arange(width) if channels is None else channels
        means = score.means.double()[:, channels]
        occurs = means.abs().amax(dim=1) < _ABSENT
        centre = means[occurs].mean(dim=0)
        away = means - centre
        solved = _solve_covariance(score, channels, away[occurs])
        values, vectors = torch.linalg.eigh(solved @ away[occurs].T)
        positive = values > 1e-9 * values.max()
        small = solved.T @ (vectors[:, positive] / values[positive].sqrt())  # (e, D)
        scale = score.inverse_deviation.double()[channels]
        projection = torch.zeros(width, small.shape[1], dtype=torch.float64)
        projection[channels] = small * scale[:, None]
        offset = centre @ small + score.mean.double() @ projection
        return cls(projection, offset, away.where(occurs[:, None], 0.0) @ small, occurs)

    def project(self, embedding: Tensor) -> Tensor:
        """The z (n, D) of embeddings (n, E)."""
        return embedding.double() @ self.projection - self.offset

    def logits(self, z: Tensor, means: Tensor | None = None) -> Tensor:
        """Logits (n, C) of z (n, D) for equal priors, by means (C, D); the classes' own if None."""
        means = self.means if means is None else means
        return (z @ means.T - 0.5 * means.square().sum(dim=1)).masked_fill(~self.occurs, -1e4)


def _solve_covariance(score: OutlierScore, channels: Tensor, rows: Tensor) -> Tensor:
    """Rows (k, e) times the inverse of the score's covariance within classes, of some channels (Woodbury)."""
    floor = score.floor.double()
    beyond = 1.0 / (score.gains.double() + 1.0 / floor) - floor  # a direction's variance that others don't have
    wide = beyond > 1e-9 * floor
    directions = score.directions.double()[channels][:, wide]
    inner = torch.diag(1.0 / beyond[wide]) + directions.T @ directions / floor
    along = rows @ directions / floor
    return rows / floor - torch.linalg.solve(inner, along.T).T @ directions.T / floor


class MeansFit(NamedTuple):
    """The result of EM.

    Attributes:
        means: (C, D) of the target's classes
        shares: (C,) estimated shares of its emotions, which add up to 1
    """

    means: Tensor
    shares: Tensor


def fit_means(space: ClassSpace, z: Tensor, temperature: float, kappa: float = KAPPA, rounds: int = ROUNDS) -> MeansFit:
    """The means of the target's classes, each between its mean in the source and that of the clips taken for it.

    Args:
        space: of the source
        z: (n, D) of the target's clips
        temperature: by which logits are divided, so that they are as sure as they are right on speakers held out
        kappa: how much the source's means count
        rounds: how many; none leaves the source's means
    """
    means, prior = space.means, kappa * len(z) / int(space.occurs.sum())
    for _ in range(rounds):
        shares = (space.logits(z, means) / temperature).softmax(dim=1)
        means = (prior * space.means + shares.T @ z) / (prior + shares.sum(dim=0))[:, None]
    return MeansFit(means, estimate_shares((space.logits(z, means) / temperature).softmax(dim=1)))


def estimate_shares(probabilities: Tensor, rounds: int = 100) -> Tensor:
    """The shares of classes (C,) that best explain probabilities (n, C), which were given for equal ones.

    Each round weighs the probabilities by the shares of the round before (Saerens et al. 2002), with one clip's worth
    of equal shares, so that no class is shut out for ever.
    """
    count, classes = probabilities.shape
    shares = torch.full((classes,), 1.0 / classes, dtype=torch.float64)
    for _ in range(rounds):
        weighted = probabilities.double() * shares
        weighted = weighted / weighted.sum(dim=1, keepdim=True).clamp_min(1e-12)
        shares = (weighted.sum(dim=0) + 1.0 / classes) / (count + 1)
    return shares


def split_channels(width: int) -> tuple[Tensor, Tensor]:
    """Two views of an embedding: its first and its second half; with statistics over time, means and deviations."""
    channels = torch.arange(width)
    return channels[: width // 2], channels[width // 2 :]


def measure_agreement(score: OutlierScore, embedding: Tensor) -> float:
    """The share of embeddings (n, E) that the classifiers of both halves of the channels answer alike."""
    answers = []
    for channels in split_channels(embedding.shape[1]):
        space = ClassSpace.from_score(score, channels)
        answers.append(space.logits(space.project(embedding)).argmax(dim=1))
    return float((answers[0] == answers[1]).double().mean())


class Variety(NamedTuple):
    """Two figures of a target that are both low for clips of one emotion; a shift of all clips changes neither.

    Attributes:
        information: mutual information of clips and answers with the target's statistics, in nats (Bridle et al.
            1991); of fewer than four classes as if there were four
        spread: variance of z without them, against that of the source's class means
    """

    information: float
    spread: float


def measure_variety(space: ClassSpace, before: Tensor, after: Tensor, scale: float) -> Variety:
    """How much a target looks like clips of several emotions.

    Clips of one emotion are close to each other in the directions that tell emotions apart; and once their own
    statistics have moved them to the middle of all classes, few of them are clearly of one.

    Args:
        space: of the source
        before: z (n, D) of the target
        after: likewise, with the target's statistics taken off
        scale: by which logits are multiplied, so that they are as sure as right on the source's speakers held out
    """
    if int(space.occurs.sum()) < 2:
        return Variety(0.0, 0.0)
    apart = space.means[space.occurs].square().sum(dim=1).mean().clamp_min(1e-12)
    information = _measure_information(scale * space.logits(after)[:, space.occurs])
    return Variety(information, float(before.var(dim=0, correction=0).sum() / apart))


def _measure_information(logits: Tensor) -> float:
    """The mutual information of clips and answers, of logits (n, C)."""
    probabilities, classes = logits.softmax(dim=1), logits.shape[1]

    def entropy(shares: Tensor) -> Tensor:
        return -(shares * shares.clamp_min(1e-12).log()).sum(dim=-1)

    information = float(entropy(probabilities.mean(dim=0)) - entropy(probabilities).mean())
    return max(0.0, information) * math.log(max(classes, 4)) / math.log(classes)


class AdaptedClassifier(NamedTuple):
    """A linear classifier for the target, and what is known of it without labels.

    Attributes:
        mean: (E,) of the target's embeddings, which is taken off them
        deviation: (E,) by which they are divided after it
        weight: (C, E) of the classifier
        bias: (C,) likewise
        shares: (C,) estimated shares of the emotions
        agreement_before: share of clips that two views answer alike, without the target's statistics
        agreement: likewise with them
        variety: whether the clips look like several emotions, by the target's statistics alone
        changed: share of the answers that are others than before
    """

    mean: Tensor
    deviation: Tensor
    weight: Tensor
    bias: Tensor
    shares: Tensor
    agreement_before: float
    agreement: float
    variety: Variety
    changed: float


def adapt_classifier(
    weight: Tensor, bias: Tensor, score: OutlierScore, embedding: Tensor, *, scale: float = 1.0, kappa: float | None
) -> AdaptedClassifier:
    """A linear classifier adapted to embeddings without labels.

    Args:
        weight: (C, E) of the classifier
        bias: (C,) likewise
        score: of its training clips' embeddings, which have zero mean and unit deviation
        embedding: (n, E) of the target, normalised like those
        scale: by which the classifier's logits are multiplied, so that they are as sure as right
        kappa: as of `fit_means`; None takes the target's statistics alone
    """
    embedding = embedding.double()
    weight, bias = weight.double(), bias.double()
    mean, deviation = embedding.mean(dim=0), embedding.std(dim=0, correction=0).clamp_min(LEAST_SPREAD)
    rows = (embedding - mean) / deviation
    space = ClassSpace.from_head(weight, score)
    z = space.project(rows)
    fit = fit_means(space, z, 1.0 / scale, *((0.0, 0) if kappa is None else (kappa,)))
    moved = fit.means - space.means
    new_weight = weight + moved @ space.projection.T
    squares = 0.5 * (fit.means.square() - space.means.square()).sum(dim=1)
    new_bias = bias - moved @ space.offset - squares
    before = (embedding @ weight.T + bias).argmax(dim=1)
    return AdaptedClassifier(
        mean,
        deviation,
        new_weight,
        new_bias,
        fit.shares,
        measure_agreement(score, embedding),
        measure_agreement(score, rows),
        measure_variety(space, space.project(embedding), z, scale),
        float((before != (rows @ new_weight.T + new_bias).argmax(dim=1)).double().mean()),
    )
