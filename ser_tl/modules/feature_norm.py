"""Feature normalisation: values with zero mean and unit variance over the training speech, a corpus or a speaker.

values of all clips --Moments--> mean, deviation --FeatureNorm--> normalised values
NormTable of speakers or corpora --lookup(names of B clips)--> SpeakerNorm, an argument of the model
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn


class Statistics(NamedTuple):
    """The statistics of a normalisation.

    Attributes:
        mean: of the values' shape, or broadcasting with it
        deviation: likewise, never zero
    """

    mean: Tensor
    deviation: Tensor


class Moments(NamedTuple):
    """Sums from which a mean and a deviation follow; those of several parts add up.

    Attributes:
        count: number of values
        total: their sum, of the statistics' shape, float64
        squares: the sum of their squares, likewise
    """

    count: Tensor
    total: Tensor
    squares: Tensor

    @classmethod
    def from_rows(cls, rows: Tensor) -> Self:
        """The moments of values that the first dimension counts."""
        rows = rows.double()
        count = torch.tensor(float(len(rows)), dtype=torch.float64, device=rows.device)
        return cls(count, rows.sum(dim=0), rows.square().sum(dim=0))

    def add(self, other: Self) -> Self:
        """The moments of both together."""
        return type(self)(*(left + right for left, right in zip(self, other, strict=True)))

    def statistics(self) -> Statistics:
        """Mean and deviation, float32; the deviation is never zero."""
        mean = self.total / self.count
        variance = (self.squares / self.count - mean.square()).clamp_min(0.0)
        return Statistics(mean.float(), (variance + 1e-6).sqrt().float())


class SpeakerNorm(NamedTuple):
    """Statistics of each clip's own speaker (or corpus), in the place of the training speech's.

    Attributes:
        states: of the encoder's states, each (L, B, 1, D)
        embedding: of the pooled embedding, each (B, E)
    """

    states: Statistics
    embedding: Statistics


class FeatureNorm(nn.Module):
    """Values with zero mean and unit variance over the training speech.

    The statistics are measured once, before training, and set by `fit`; they are buffers, not trained.
    The layers of an encoder and the parts of an embedding differ in scale by orders of magnitude, and a few loud
    channels drown all others: without this, a trained head loses to logistic regression on the same states. Until
    `fit`, values pass unchanged.

    Args:
        shape: of the statistics; broadcasts with the values

    Shape:
        values (..., *shape) -> the same
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(shape))

    def forward(self, values: Tensor, statistics: Statistics | None = None) -> Tensor:
        """Normalises values.

        Args:
            values: of the statistics' shape, with any number of dimensions before it
            statistics: taken out in the place of the training speech's, such as a speaker's own (adaptive batch norm,
                Li et al. 2018, is the same idea inside a network)
        """
        mean, deviation = (self.mean, self.deviation) if statistics is None else statistics
        return (values - mean) / deviation

    @property
    def is_fitted(self) -> bool:
        """Whether statistics were measured."""
        return bool((self.mean != 0).any() or (self.deviation != 1).any())

    def fit(self, moments: Moments) -> None:
        """Sets the statistics."""
        mean, deviation = moments.statistics()
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)


@dataclass
class NormTable:
    """The statistics of speakers or corpora, by name. They belong to the data at hand, and no model holds them.

    Args:
        states: of the encoder's states, each (L, 1, 1, D)
        embedding: of the embedding, each (E,)
    """

    states: dict[str, Statistics] = field(default_factory=dict)
    embedding: dict[str, Statistics] = field(default_factory=dict)

    def update(self, other: "NormTable") -> None:
        """Takes over the statistics of another table."""
        self.states.update(other.states)
        self.embedding.update(other.embedding)

    def lookup(
        self, names: Sequence[str], states: FeatureNorm | None, embedding: FeatureNorm | None
    ) -> SpeakerNorm | None:
        """The statistics of each clip of a batch.

        Args:
            names: B speakers or corpora; the training speech's statistics stand in for those that aren't in the table
            states: the model's own normalisation of states; None where it has none
            embedding: likewise of the embedding

        Returns:
            On the device of the model's statistics. None where no clip has statistics of its own.
        """
        if states is None or embedding is None or not any(name in self.states for name in names):
            return None
        return SpeakerNorm(
            Statistics(*(torch.cat(rows, dim=1) for rows in _rows(self.states, names, states))),
            Statistics(*(torch.stack(rows) for rows in _rows(self.embedding, names, embedding))),
        )


def _rows(table: Mapping[str, Statistics], names: Sequence[str], norm: FeatureNorm) -> list[list[Tensor]]:
    """Means and deviations of each name, on the normalisation's device."""
    training = Statistics(norm.mean, norm.deviation)
    statistics = [table.get(name, training) for name in names]
    return [
        [getattr(entry, field_name).to(norm.mean.device) for entry in statistics] for field_name in Statistics._fields
    ]


class SpeakerPrior(nn.Module):
    """What is known of speakers before any of their clips.

    Args:
        width: channels of an embedding, E
        rank: number of directions with variances of their own, R
        classes: number of emotions, C

    Attributes:
        analysis: (R, E) from an embedding to its coordinates along the directions
        synthesis: (E, R) back
        ratios: (R,) the variance between speakers over that within them, along each direction
        rest: (1,) likewise of all that is left
        class_means: (C, E) of each emotion's clips without their speakers' means: what a label explains of a clip
    """

    analysis: Tensor
    synthesis: Tensor
    ratios: Tensor
    rest: Tensor
    class_means: Tensor

    def __init__(self, width: int, rank: int, classes: int = 0) -> None:
        super().__init__()
        self.register_buffer("analysis", torch.zeros(rank, width))
        self.register_buffer("synthesis", torch.zeros(width, rank))
        self.register_buffer("ratios", torch.ones(rank))
        self.register_buffer("rest", torch.ones(1))
        self.register_buffer("class_means", torch.zeros(classes, width))

    @property
    def rank(self) -> int:
        """Number of directions with variances of their own."""
        return len(self.ratios)

    @property
    def clips(self) -> float:
        """How many clips the training speech's mean counts as, along directions that share their variances."""
        return 1.0 / float(self.rest)

    def forward(self, means: Tensor, clips: Tensor) -> Tensor:
        """What is to be taken out of the embeddings of speakers.

        Args:
            means: (B, E) of the clips of each speaker
            clips: (B,) how many these were; nothing is taken out where there was none

        Returns:
            (B, E)
        """
        clips = clips.to(means.dtype)[:, None]
        along = means @ self.analysis.to(means.dtype).T
        directions = self.synthesis.to(means.dtype).T
        shares = believe(clips, self.ratios.to(means.dtype))
        rest = believe(clips, self.rest.to(means.dtype))
        return rest * (means - along @ directions) + (shares * along) @ directions


def believe(clips: Tensor, ratio: Tensor) -> Tensor:
    """The share of a mean of so many clips that is the speaker's."""
    return clips * ratio / (clips * ratio + 1.0)


class FixedBatchNorm(nn.Module):
    """Batch norm by statistics that never move, in training neither; weight and bias may learn.

    Args:
        channels: of the frames, D
        variance: of each channel, until published statistics are loaded
        epsilon: added to variances

    Shape:
        frames (B, D, T) -> (B, D, T)
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, variance: float, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.full((channels,), variance))

    def forward(self, frames: Tensor) -> Tensor:
        """Normalises each channel."""
        return nn.functional.batch_norm(frames, self.mean, self.variance, self.weight, self.bias, eps=self.epsilon)
