"""A linear classifier in closed form: Fisher's discriminant with a shrunken covariance.

    embedding (n, E), labels, speakers --fit_discriminant()--> Discriminant: embedding (B, E) -> logits (B, C)

With a thousand clips and thousands of channels a classifier trained by gradients keeps directions in which the training
speakers happen to differ. The discriminant divides by the covariance within classes, which is mostly that of speakers
and sentences, pulled towards the identity by a shrinkage that speakers held out in turn choose. An embedding in parts
(an encoder's layers) can have one discriminant a part: their logits are added up, which is one linear layer again.
Independent of encoders.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor

from ser_tl.errors import ConfigError
from ser_tl.modules.heads import LinearHead

SHRINKAGES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_TEMPERATURES = torch.logspace(-1, 2.5, 71, dtype=torch.float64)
_GROUPS = 10  # of speakers, held out in turn
_FARTHEST = 4.0  # deviations from the mean at which a channel's farthest training value stands, at most


class Discriminant(LinearHead):
    """The last layer of a model whose classifier was fitted in closed form."""


class DiscriminantFit(NamedTuple):
    """A fitted discriminant and how it was chosen.

    Attributes:
        discriminant: the classifier
        shrinkage: share of the identity in the covariance, 0 to 1
        temperature: by which its logits are divided, so that held-out speakers' probabilities are calibrated
        uar: mean recall of the classes over the held-out speakers, a fraction
        held_out: (n, C) logits of each clip by the discriminant of other speakers, of this shrinkage and temperature
    """

    discriminant: Discriminant
    shrinkage: float
    temperature: float
    uar: float
    held_out: Tensor


def fit_discriminant(
    embedding: Tensor,
    labels: Tensor,
    speakers: Sequence[str],
    classes: int,
    channel_groups: Sequence[Tensor] = (),
    *,
    weights: Tensor | None = None,
) -> DiscriminantFit:
    """The discriminant of some training speakers, all of whom it learns from.

    Shrinkage and temperature are those of the lowest Brier score, each class with the same say, over speakers held out
    in up to ten groups (Ledoit and Wolf 2004 choose the shrinkage by a formula that takes clips for independent, which
    those of one speaker aren't). The Brier score (Brier 1950) is bounded, where a cross-entropy follows the few clips
    of a held-out speaker that no shrinkage gets right.

    Several parts take channels of different parts for independent within a class, as naive Bayes does: a covariance
    between two layers, each of more channels than there are clips, is mostly chance. All parts share one shrinkage.

    Args:
        embedding: (n, E)
        labels: (n,) class indices
        speakers: n names
        classes: number of classes, C
        channel_groups: indices of channels that have a discriminant of their own, no channel in two; all in one if
            empty
        weights: (n,) how much each clip counts, more than 0; all alike if None

    Raises:
        ConfigError: a class that some group of speakers alone has
    """
    embedding = embedding.double()
    channel_groups = channel_groups or [torch.arange(embedding.shape[1])]
    weights = torch.ones(len(labels)) if weights is None else weights
    held_out = _held_out_logits(embedding, labels, speakers, classes, channel_groups, weights)
    weight = class_shares(labels, weights, classes)
    right = torch.nn.functional.one_hot(labels, classes)
    brier = torch.stack(  # (shrinkages, temperatures)
        [
            ((logits / _TEMPERATURES[:, None, None]).softmax(dim=-1) - right).square().sum(dim=-1) @ weight
            for logits in held_out
        ]
    )
    row, column = divmod(int(brier.argmin()), len(_TEMPERATURES))
    temperature = float(_TEMPERATURES[column])
    hit = (held_out[row].argmax(dim=-1) == labels).double()
    fitted = build_discriminant(
        embedding, labels, classes, SHRINKAGES[row], temperature, weights=weights, channel_groups=channel_groups
    )
    return DiscriminantFit(fitted, SHRINKAGES[row], temperature, float(hit @ weight), held_out[row] / temperature)


def class_shares(labels: Tensor, weights: Tensor, classes: int) -> Tensor:
    """What each clip counts (n,) where classes count alike; adds up to 1.

    Args:
        labels: (n,) class indices
        weights: (n,) how much each clip counts within its class
        classes: number of classes, C
    """
    mass = torch.zeros(classes, dtype=torch.float64).index_add_(0, labels, weights.double())
    return weights.double() / (mass[labels] * (mass > 0).sum())


def build_discriminant(
    embedding: Tensor,
    labels: Tensor,
    classes: int,
    shrinkage: float,
    temperature: float,
    *,
    weights: Tensor | None = None,
    channel_groups: Sequence[Tensor] = (),
) -> Discriminant:
    """The discriminant of some clips, where it is known how much to shrink.

    Args:
        embedding: (n, E)
        labels: (n,) class indices; a class without a clip is never predicted
        classes: number of classes, C
        shrinkage: share of the identity in the covariance, 0 to 1
        temperature: by which the logits are divided
        weights: (n,) how much each clip counts, more than 0; all alike if None
        channel_groups: as of `fit_discriminant`
    """
    embedding = embedding.double()
    fitted = Discriminant(embedding.shape[1], classes)
    with torch.no_grad():
        fitted.weight.zero_()
        fitted.bias.zero_()
        for channels in channel_groups or [torch.arange(embedding.shape[1])]:
            weight, bias = Scatter.from_embedding(embedding[:, channels], labels, classes, weights).affine(shrinkage)
            fitted.weight[:, channels] = (weight / temperature).float()
            fitted.bias.add_((bias / temperature).float())
    return fitted


def assign_groups(speakers: Sequence[str], labels: Sequence[Hashable]) -> list[int]:
    """The group of each clip: speakers of one group are held out together, or clips where there is one speaker.

    Args:
        speakers: of each clip
        labels: of each clip

    Raises:
        ConfigError: an emotion that one group has all clips of
    """
    names = sorted(set(speakers))
    if len(names) < 2:
        return _clip_groups(labels)
    group_index = {name: number % min(_GROUPS, len(names)) for number, name in enumerate(names)}
    groups = [group_index[speaker] for speaker in speakers]
    where: dict[Hashable, set[int]] = {}
    for group, label in zip(groups, labels, strict=True):
        where.setdefault(label, set()).add(group)
    if any(len(holders) == 1 for holders in where.values()):
        raise ConfigError(
            "a discriminant holds out groups of training speakers in turn, and one group has all utterances of "
            "some emotion: drop or merge that emotion, or train without train.refit"
        )
    return groups


def _clip_groups(labels: Sequence[Hashable]) -> list[int]:
    """Groups of one speaker's clips, each emotion dealt evenly: what is chosen on them suits that voice best."""
    dealt: Counter[Hashable] = Counter()
    groups = []
    for label in labels:
        groups.append(dealt[label] % _GROUPS)
        dealt[label] += 1
    if min(dealt.values()) < 2:
        raise ConfigError(
            "a discriminant holds out clips of its only training speaker in turn, and some emotion has one clip: drop "
            "or merge that emotion, or train without train.refit"
        )
    return groups


def _held_out_logits(
    embedding: Tensor,
    labels: Tensor,
    speakers: Sequence[str],
    classes: int,
    channel_groups: Sequence[Tensor],
    weights: Tensor,
) -> Tensor:
    """The logits (shrinkages, n, C) of each clip by the discriminant of other speakers."""
    group = torch.tensor(assign_groups(speakers, labels.tolist()))
    logits = torch.zeros(len(SHRINKAGES), len(labels), classes, dtype=torch.float64)
    for out in range(int(group.max()) + 1):
        inside = group != out
        for channels in channel_groups:
            rows = embedding[:, channels]
            solver = Scatter.from_embedding(rows[inside], labels[inside], classes, weights[inside])
            logits[:, ~inside] += solver.logits(rows[~inside], *SHRINKAGES)
    return logits


class Scatter(NamedTuple):
    """What all shrinkages share: standardised class means, and the within-class covariance by its eigenvectors.

    These are `rows.T @ coefficients`. With fewer clips than channels that product is large and seldom needed: logits
    are computed from the clips' inner products.

    Attributes:
        mean: (E,)
        deviation: (E,)
        means: (C, E) of the classes, standardised; zeros where a class doesn't occur
        occurs: (C,)
        values: (r,) eigenvalues of the covariance
        rows: (m, E)
        coefficients: (m, r)
    """

    mean: Tensor
    deviation: Tensor
    means: Tensor
    occurs: Tensor
    values: Tensor
    rows: Tensor
    coefficients: Tensor

    @classmethod
    def from_embedding(cls, embedding: Tensor, labels: Tensor, classes: int, weights: Tensor | None = None) -> Self:
        """Those of embedding (n, E) float64, labels (n,) and weights (n,), all alike if None."""
        weights = torch.ones(len(labels)) if weights is None else weights
        weights = weights.double()[:, None] / weights.double().sum()  # (n, 1), adding up to 1
        mean = (weights * embedding).sum(dim=0)
        deviation = (weights * (embedding - mean).square()).sum(dim=0).sqrt() + 1e-6
        # A channel that is silent in nearly all training clips has a tiny deviation, and its first loud clip of another
        # speaker would be tens of them away and outvote thousands of channels. Its few loud clips set its scale.
        deviation = deviation.maximum((embedding - mean).abs().amax(dim=0) / _FARTHEST)
        rows = (embedding - mean) / deviation
        share = torch.nn.functional.one_hot(labels, classes) * weights
        mass = share.sum(dim=0)
        means = (share.T @ rows) / mass.clamp_min(1e-12)[:, None]
        within = (rows - means[labels]) * weights.sqrt()
        # The eigenvectors of the covariance (E, E), from the smaller of it and the Gram matrix (n, n).
        if len(within) < within.shape[1]:
            values, rotated = torch.linalg.eigh(within @ within.T)
            positive = values > 1e-10 * values.max()
            values = values[positive]
            coefficients = rotated[:, positive] / values.sqrt()
        else:
            values, vectors = torch.linalg.eigh(within.T @ within)
            within, coefficients = vectors.T, torch.eye(len(values)).to(vectors)
        return cls(mean, deviation, means, mass > 0, values.clamp_min(0.0), within, coefficients)

    @property
    def vectors(self) -> Tensor:
        """Eigenvectors of the covariance, (E, r), orthonormal."""
        return self.rows.T @ self.coefficients

    def affine(self, shrinkage: float) -> tuple[Tensor, Tensor]:
        """Weight (C, E) and bias (C,) of the logits; equal priors."""
        gains, floor = self._gains(shrinkage)
        along = self._project(self.means)
        weight = self.means / floor + (along * gains) @ self.coefficients.T @ self.rows
        bias = -0.5 * (weight * self.means).sum(dim=1)
        weight = weight / self.deviation
        return weight, (bias - weight @ self.mean).masked_fill(~self.occurs, -1e4)

    def logits(self, embedding: Tensor, *shrinkages: float) -> Tensor:
        """Logits (n, C) of embedding (n, E) for one shrinkage, or (shrinkages, n, C) for several."""
        embedding = (embedding - self.mean) / self.deviation
        inner, clips, along = embedding @ self.means.T, self._project(embedding), self._project(self.means)
        squares = self.means.square().sum(dim=1)
        logits = []
        for gains, floor in map(self._gains, shrinkages):
            halves = 0.5 * (squares / floor + along.square() @ gains)
            scores = inner / floor + (clips * gains) @ along.T - halves
            logits.append(scores.masked_fill(~self.occurs, -1e4))
        return logits[0] if len(logits) == 1 else torch.stack(logits)

    def _gains(self, shrinkage: float) -> tuple[Tensor, Tensor]:
        """The inverse of the shrunken covariance: what it has more along each eigenvector than 1 / floor elsewhere."""
        floor = shrinkage * self.values.sum() / len(self.mean)
        return 1.0 / ((1.0 - shrinkage) * self.values + floor) - 1.0 / floor, floor

    def _project(self, rows: Tensor) -> Tensor:
        """Coordinates (n, r) of standardised rows (n, E) along the eigenvectors."""
        return rows @ self.rows.T @ self.coefficients
