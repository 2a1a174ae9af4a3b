"""How unlike the training data a recording is: its Mahalanobis distance to the nearest emotion's training clips.

    embedding (n, E), labels --OutlierScore.fit()--> score: embedding (B, E) -> (B,), about 1 on training clips

The distance of the closed-form discriminant (Lee et al. 2018), by its shrunken covariance within classes. The 64 widest
directions are kept, the others share what shrinkage gives them, so that the score stays small beside the model. Unlike
the likeliest probability it has something to say of music, noise and silence, which are far from every emotion. It says
that nothing like a recording was trained on, and never that an answer is right. Knows embeddings only.
"""

from typing import Self

import torch
from torch import Tensor, nn

from ser_tl.modules.discriminant import Scatter

RANK = 64
SHRINKAGE = 0.5


class OutlierScore(nn.Module):
    """The score; it has buffers and no parameters, and isn't trained on.

    Args:
        dim: channels of an embedding, E
        classes: number of emotions, C
        rank: directions of the covariance, R

    Shape:
        embedding (B, E) -> (B,)
    """

    mean: Tensor
    inverse_deviation: Tensor
    means: Tensor
    directions: Tensor
    gains: Tensor
    floor: Tensor

    def __init__(self, dim: int, classes: int, rank: int = RANK) -> None:
        super().__init__()
        self.rank = rank
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("inverse_deviation", torch.ones(dim))
        self.register_buffer("means", torch.zeros(classes, dim))  # standardised
        self.register_buffer("directions", torch.zeros(dim, rank))
        self.register_buffer("gains", torch.zeros(rank))  # what a direction weighs beyond the others
        self.register_buffer("floor", torch.ones(()))

    def forward(self, embedding: Tensor) -> Tensor:
        """The squared distance to the nearest class, a channel."""
        away = ((embedding.float() - self.mean) * self.inverse_deviation)[:, None] - self.means  # (B, C, E)
        along = away @ self.directions
        squared = away.square().sum(dim=-1) / self.floor + (along.square() * self.gains).sum(dim=-1)
        return squared.amin(dim=-1) / self.mean.shape[0]

    @classmethod
    def fit(cls, embedding: Tensor, labels: Tensor, classes: int) -> Self:
        """The score of some training clips.

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
        score = cls(embedding.shape[1], classes, rank)
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
        score.load_state_dict({name: tensor.float() for name, tensor in named.items()})
        return score
