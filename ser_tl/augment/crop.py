"""A part of a clip in the place of the whole: emotion has to be heard in each."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ser_tl.augment.base import TRANSFORMS, ClipTransform, Drawn, Range, within
from ser_tl.augment.draws import Draws
from ser_tl.data.audio import SAMPLE_RATE

SHORTEST = 0.5
"""Seconds that are always kept."""


@TRANSFORMS.register("crop")
@dataclass
class Crop(ClipTransform):
    """Keeps a random stretch of a clip, never less than half a second of it.

    Args:
        probability: of each clip
        keep: the share that is kept
    """

    probability: float = 0.5
    keep: Range = (0.7, 1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._range("keep", 0.01, 1.0)

    def change(self, waveform: Tensor, lengths: Tensor, draws: Draws) -> tuple[Tensor, Tensor, Drawn]:
        """Cuts all of the clips."""
        whole = lengths.cpu()
        share = draws.uniform(len(waveform), *self.keep)
        kept = (share * whole).round().long().clamp_min(round(SHORTEST * SAMPLE_RATE)).minimum(whole)
        begins = draws.below(whole - kept + 1)
        new = stretches(waveform, begins, kept)
        return new, kept.to(lengths), {"kept": (kept / whole).tolist(), "from s": (begins / SAMPLE_RATE).tolist()}


def stretches(waveform: Tensor, begins: Tensor, lengths: Tensor) -> Tensor:
    """A stretch of each clip, zeros behind it.

    Shape:
        waveform (B, N), begins (B,) and lengths (B,) on the CPU -> (B, longest)
    """
    begins, lengths = begins.to(waveform.device), lengths.to(waveform.device)
    time = torch.arange(int(lengths.max()), device=waveform.device)
    places = (begins[:, None] + time).clamp_max(waveform.shape[1] - 1)
    return waveform.gather(1, places) * within(lengths, len(time))
