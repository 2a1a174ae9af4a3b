"""Speech that was too loud for what recorded it: its highest samples cut off."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ser_tl.augment.base import TRANSFORMS, ClipTransform, Drawn, Range
from ser_tl.augment.rng import BatchRng


@TRANSFORMS.register("clipping")
@dataclass
class Clipping(ClipTransform):
    """Cuts samples off above a level.

    Args:
        probability: of each clip
        decibels: how far the level is below the clip's peak
    """

    probability: float = 0.1
    decibels: Range = (1.0, 12.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._range("decibels", 0.0, 60.0)

    def change(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor, Drawn]:
        """Clips all of the clips."""
        decibels = draws.uniform(len(waveform), *self.decibels)
        level = (waveform.abs().amax(dim=1) * 10 ** (-decibels.to(waveform) / 20))[:, None]
        return torch.clamp(waveform, -level, level), lengths, {"below the peak in dB": decibels.tolist()}
