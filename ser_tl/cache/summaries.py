"""Summaries of clips: the few statistics a channel that some models read in the place of all frames.

    state (T, D) --Summary.from_mean--> mean, deviation, maximum, last frame, T --shorten--> 1 or 2 frames

Pooled by mean, deviation, maximum or last frame, a clip is known by these; its frames take 10 to 50 times the space.
With T, they add up to the same statistics of many clips as their frames do. Independent of files and models.
"""

from collections.abc import Callable
from typing import NamedTuple, Self

import torch
from torch import Tensor

from ser_tl.data.batching import PackedState


class Summary(NamedTuple):
    """A layer's state of one clip, over all frames.

    Attributes:
        mean: (1, D) float32
        deviation: (1, D) float32, of the population
        peak: (1, D) the maximum, as far as it is above the mean; float16, float32 where that would overflow
        last: (1, D) the last frame, less the mean; likewise
        frames: () int64, number of frames
    """

    mean: Tensor
    deviation: Tensor
    peak: Tensor
    last: Tensor
    frames: Tensor

    @classmethod
    def from_mean(cls, mean: Tensor, residual: Tensor) -> Self:
        """The summary of a state that is given as its mean (1, D) and the residual (T, D)."""
        residual = residual.float()
        shift = residual.mean(dim=0, keepdim=True)  # of a rest that was rounded
        deviation = residual.std(dim=0, correction=0, keepdim=True)
        peak, last = residual.amax(dim=0, keepdim=True) - shift, residual[-1:] - shift
        frames = torch.tensor(len(residual))
        return cls((mean + shift).contiguous(), deviation, _halve(peak), _halve(last), frames)


Reduce = Callable[[Summary], Tensor]
"""From a summary to one or two frames (1 or 2, D), less the mean, with the same pooled statistics."""


def shorten(summary: Summary, reduce: Reduce) -> PackedState:
    """The few frames, with the deviation of all frames and their number."""
    return PackedState(summary.mean, reduce(summary), summary.deviation, int(summary.frames))


def _halve(values: Tensor) -> Tensor:
    half = values.half()
    return (half if half.isfinite().all() else values).contiguous()
