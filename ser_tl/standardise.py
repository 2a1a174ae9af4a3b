"""Values with zero mean and unit variance: over the training speech, or over a domain of their own.

    values of all clips --Moments--> mean, deviation --Standardise--> values, standardised

Knows nothing of what the values are, or of who is a domain.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn


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
    def of(cls, rows: Tensor) -> Self:
        """The moments of values that the first dimension counts."""
        rows = rows.double()
        count = torch.tensor(float(len(rows)), dtype=torch.float64, device=rows.device)
        return cls(count, rows.sum(dim=0), rows.square().sum(dim=0))

    def plus(self, other: Self) -> Self:
        """The moments of both together."""
        return type(self)(*(one + two for one, two in zip(self, other, strict=True)))

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation, float32; the deviation is never zero."""
        mean = self.total / self.count
        variance = (self.squares / self.count - mean.square()).clamp_min(0.0)
        return mean.float(), (variance + 1e-6).sqrt().float()


class Standardise(nn.Module):
    """Values with zero mean and unit variance over the training speech.

    The statistics are measured once, before training, and set by `fit`; they are buffers and no gradient moves them.
    The layers of an encoder and the parts of an embedding differ in scale by orders of magnitude, and a few loud
    channels drown all others: without this, a trained head loses to logistic regression on the same states. Until
    `fit`, values pass unchanged.

    A domain (a corpus, a speaker) can have statistics of its own, in `domains`: then its clips are standardised by
    these, which takes a room or a voice out without a label (adaptive batch norm, Li et al. 2018, is the same idea
    inside a network). They belong to the data at hand and are not saved.

    Args:
        shape: of the statistics; broadcasts with what comes in
        batch: the dimension of the values that counts clips

    Shape:
        values (..., *shape), B clips in dimension `batch` -> the same
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, *shape: int, batch: int = 0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("deviation", torch.ones(shape))
        self.batch = batch
        self.domains: dict[str, tuple[Tensor, Tensor]] = {}  # mean and deviation of each, of the statistics' shape

    def forward(self, values: Tensor, domains: Sequence[str] = ()) -> Tensor:
        """The values with statistics taken out: those of each clip's domain, of the training speech if it has none.

        Args:
            values: to be standardised
            domains: B names
        """
        if not self.domains or not any(domains):
            return (values - self.mean) / self.deviation
        own = [self.domains.get(name, (self.mean, self.deviation)) for name in domains]
        mean, deviation = (
            torch.stack(parts).movedim(0, self.batch).reshape(self._for_clips(values, len(own)))
            for parts in zip(*own, strict=True)
        )
        return (values - mean) / deviation

    def set_domain(self, name: str, moments: Moments) -> None:
        """Gives a domain statistics of its own."""
        mean, deviation = moments.statistics()
        self.domains[name] = mean.to(self.mean.device), deviation.to(self.mean.device)

    def _for_clips(self, values: Tensor, clips: int) -> list[int]:
        """The statistics' shape with as many dimensions as the values, and a place for each clip."""
        shape = [1] * (values.ndim - self.mean.ndim) + list(self.mean.shape)
        shape[self.batch] = clips
        return shape

    def fit(self, moments: Moments) -> None:
        """Takes over the statistics of what was measured."""
        mean, deviation = moments.statistics()
        self.mean.copy_(mean)
        self.deviation.copy_(deviation)
