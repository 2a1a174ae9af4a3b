"""Time stretching: speech faster or slower at the same pitch."""

from dataclasses import dataclass

from torch import Tensor

from ser_tl.augment.base import TRANSFORMS, ClipTransform, Drawn, Range
from ser_tl.augment.rng import BatchRng
from ser_tl.augment.vocoder import time_stretch


@TRANSFORMS.register("stretch")
@dataclass
class TimeStretch(ClipTransform):
    """Changes the tempo by a phase vocoder.

    Args:
        probability: of each clip
        factor: 1.15 is 15 % faster and shorter
    """

    probability: float = 0.3
    factor: Range = (0.85, 1.15)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._range("factor", 0.5, 2.0)

    def change(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor, Drawn]:
        """Changes the tempo of all of the clips."""
        factor = draws.uniform(len(waveform), *self.factor)
        new, ends = time_stretch(waveform, lengths, factor)
        return new, ends, {"tempo": factor.tolist()}
