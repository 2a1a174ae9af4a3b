"""How unlike the training data a recording is: of another origin, or of an emotion that training never had.

    embedding (n, E), labels --OutlierScore.fit()--> score: embedding (B, E) -> (B,), below 1 for most training clips

Two measurements, each relative to what is usual for clips of speakers held out, and their sum:

- The distance: Mahalanobis to the nearest emotion's mean, by the closed-form discriminant's shrunken covariance within
  classes (Lee et al. 2018). The 64 widest directions are kept, the others share what shrinkage gives them, so that the
  score stays small beside the model. Music, noise and silence are far from every emotion; only what is beyond the usual
  distance counts.
- The strangeness: an unknown emotion of familiar voices is as near as the known ones in most directions. It shows in
  those by which the emotions differ, the discriminant's own: by its distance from the nearest emotion there, in units
  of the emotions' mean squared distance from their centre, and by lying between several of them, the entropy of the
  softmax of these distances.

It says that nothing like a recording was trained on, and never that an answer is right. Scores of models saved before
have no `axes` and are the distance alone. Knows embeddings only.
"""

from typing import Self

import torch
from torch import Tensor, nn

from ser_tl.modules.discriminant import Scatter

RANK = 64
SHRINKAGE = 0.5
AXES_SHRINKAGE = 0.8
"""Of the covariance by which the emotions' directions are found."""


class OutlierScore(nn.Module):
    """The score; it has buffers and no parameters, and isn't trained on.

    Args:
        dim: channels of an embedding, E
        classes: number of emotions, C
        rank: directions of the covariance, R
        axes: directions by which the emotions differ, A; 0 for the distance alone

    Shape:
        embedding (B, E) -> (B,)
    """

    mean: Tensor
    inverse_deviation: Tensor
    means: Tensor
    directions: Tensor
    gains: Tensor
    floor: Tensor
    axes: Tensor
    usual: Tensor

    def __init__(self, dim: int, classes: int, rank: int = RANK, axes: int = 0) -> None:
        super().__init__()
        self.rank = rank
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("inverse_deviation", torch.ones(dim))
        self.register_buffer("means", torch.zeros(classes, dim))  # standardised
        self.register_buffer("directions", torch.zeros(dim, rank))
        self.register_buffer("gains", torch.zeros(rank))  # what a direction weighs beyond the others
        self.register_buffer("floor", torch.ones(()))
        self.has_axes = axes > 0
        if self.has_axes:
            self.register_buffer("axes", torch.zeros(dim, axes))
            self.register_buffer(
                "usual", torch.ones(2)
            )  # distance and strangeness that most new speakers' clips are below

    def forward(self, embedding: Tensor) -> Tensor:
        """The score."""
        return self.combine(self.measure(embedding))

    def measure(self, embedding: Tensor) -> Tensor:
        """Distance and strangeness (B, 2), as they are; the distance alone (B, 1) of a score without axes."""
        away = ((embedding.float() - self.mean) * self.inverse_deviation)[:, None] - self.means  # (B, C, E)
        distance = self._measure_distance(away)
        return torch.stack([distance, self._measure_strangeness(away)] if self.has_axes else [distance], dim=1)

    def combine(self, measured: Tensor) -> Tensor:
        """The score (B,) of what `measure` gives (B, 1 or 2)."""
        if not self.has_axes:
            return measured[:, 0]
        relative = measured / self.usual
        return (relative[:, 0] - 1.0).clamp_min(0.0) + relative[:, 1]

    def measure_remoteness(self, embedding: Tensor, threshold: float) -> Tensor:
        """The distance (B,) relative to the usual one; of a score without axes to a threshold of it."""
        return self.relate_distance(self.measure(embedding), threshold)

    def relate_distance(self, measured: Tensor, threshold: float) -> Tensor:
        """The same (B,), of what `measure` gives (B, 1 or 2)."""
        return measured[:, 0] / (self.usual[0] if self.has_axes else threshold)

    def _measure_distance(self, away: Tensor) -> Tensor:
        """The squared distance to the nearest class, a channel."""
        along = away @ self.directions
        squared = away.square().sum(dim=-1) / self.floor + (along.square() * self.gains).sum(dim=-1)
        return squared.amin(dim=-1) / self.mean.shape[0]

    def _measure_strangeness(self, away: Tensor) -> Tensor:
        """The squared distance to the nearest class along the axes, and the entropy of the classes by it."""
        squared = (away @ self.axes).square().sum(dim=-1)  # (B, C)
        logs = (-squared).log_softmax(dim=-1)
        return squared.amin(dim=-1) - (logs.exp() * logs).sum(dim=-1)

    @property
    def sizes(self) -> int | dict[str, int]:
        """What `from_sizes` builds such a score from: the rank alone without axes, as older models have it."""
        return {"rank": self.rank, "axes": self.axes.shape[1]} if self.has_axes else self.rank

    @classmethod
    def from_sizes(cls, dim: int, classes: int, sizes: int | dict[str, int]) -> Self:
        """A score whose buffers are to be loaded.

        Args:
            dim: channels of an embedding, E
            classes: number of emotions, C
            sizes: of another one
        """
        return cls(dim, classes, **(sizes if isinstance(sizes, dict) else {"rank": sizes}))

    @classmethod
    def fit(cls, embedding: Tensor, labels: Tensor, classes: int) -> Self:
        """The score of some training clips, relative to nothing yet: `usual` is 1.

        Args:
            embedding: (n, E)
            labels: (n,) class indices, each class of which has a clip
            classes: number of classes, C
        """
        scatter = Scatter.from_embedding(embedding.double(), labels, classes)
        rank = min(RANK, len(scatter.values))
        order = scatter.values.argsort(descending=True)[:rank]
        floor = SHRINKAGE * scatter.values.sum() / len(scatter.mean)
        values = (1.0 - SHRINKAGE) * scatter.values[order] + floor
        axes = find_axes(scatter)
        score = cls(embedding.shape[1], classes, rank, axes.shape[1])
        # A class without a clip is as far as any can be, instead of at the mean.
        means = scatter.means.masked_fill(~scatter.occurs[:, None], 1e3)
        named = {
            "mean": scatter.mean,
            "inverse_deviation": 1.0 / scatter.deviation,
            "means": means,
            "directions": scatter.vectors[:, order],
            "gains": 1.0 / values - 1.0 / floor,
            "floor": floor,
        }
        named |= {"axes": axes, "usual": torch.ones(2)} if score.has_axes else {}
        score.load_state_dict({name: tensor.float() for name, tensor in named.items()})
        return score


def find_axes(scatter: Scatter) -> Tensor:
    """The discriminant's directions (E, A), fewer than emotions, in units of these' root mean square from their centre.

    Args:
        scatter: of training clips
    """
    means = scatter.means[scatter.occurs]
    means = means - means.mean(dim=0)
    floor = AXES_SHRINKAGE * scatter.values.sum() / len(scatter.mean)
    gains = 1.0 / ((1.0 - AXES_SHRINKAGE) * scatter.values + floor) - 1.0 / floor
    directions = scatter.vectors
    whitened = means / floor + (means @ directions * gains) @ directions.T  # (c, E)
    values, vectors = torch.linalg.eigh(whitened @ means.T)
    apart = values > max(1e-6 * float(values.max()), 1e-12)
    unit = (values[apart].sum() / len(means)).sqrt()
    return whitened.T @ (vectors[:, apart] / values[apart].sqrt()) / unit
