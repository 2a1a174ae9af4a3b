"""Random numbers that follow from a training's position alone.

    (seed, epoch, step, process) -> BatchRng -> which clips, which factors; noise

A run that was killed and resumed draws the same numbers, without saved state. What is chosen is
drawn on the CPU, whatever the device, so that a GPU never has to be waited for; noise is drawn where it is used, and is
other noise on another kind of device.
"""

import numpy as np
import torch
from torch import Tensor


class BatchRng:
    """The draws of one batch.

    Args:
        key: what they follow from, such as (seed, epoch, step, process); not negative
        device: where noise is wanted
    """

    def __init__(self, *key: int, device: torch.device | str = "cpu") -> None:
        chooses, sounds = (int(word) for word in np.random.SeedSequence(key).generate_state(2))
        self.device = torch.device(device)
        self._choices = torch.Generator().manual_seed(chooses)
        self._noise = torch.Generator(self.device).manual_seed(sounds)

    def uniform(self, count: int, low: float, high: float) -> Tensor:
        """Numbers (count,) between two, on the CPU."""
        return low + (high - low) * torch.rand(count, generator=self._choices, dtype=torch.float64)

    def randint_below(self, limits: Tensor) -> Tensor:
        """Whole numbers from 0 to below each limit (..., whole, at least 1), on the CPU."""
        share = torch.rand(limits.shape, generator=self._choices, dtype=torch.float64)
        return (share * limits).long().minimum(limits.long() - 1)

    def choice(self, count: int, options: int) -> Tensor:
        """Whole numbers (count,) from 0 to below `options`, on the CPU."""
        return torch.randint(options, (count,), generator=self._choices)

    def bernoulli(self, count: int, probability: float) -> Tensor:
        """Whether it happens to each, (count,), on the CPU."""
        return torch.rand(count, generator=self._choices, dtype=torch.float64) < probability

    def permutation(self, count: int) -> Tensor:
        """The numbers from 0 to below `count` in another order, on the CPU."""
        return torch.randperm(count, generator=self._choices)

    def beta(self, count: int, alpha: float) -> Tensor:
        """Numbers (count,) of the symmetric beta distribution, on the CPU."""
        drawn = torch._sample_dirichlet(torch.full((count, 2), alpha, dtype=torch.float64), generator=self._choices)
        return drawn[:, 0]

    def normal(self, *shape: int) -> Tensor:
        """White noise of variance 1, on the device."""
        return torch.randn(shape, generator=self._noise, device=self.device)
