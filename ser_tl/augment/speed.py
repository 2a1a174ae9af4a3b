"""Speech played faster or slower: tempo and pitch move together, as if another, smaller or larger, had spoken."""

from dataclasses import dataclass

from torch import Tensor

from ser_tl.augment.base import TRANSFORMS, ClipTransform, Drawn, Range
from ser_tl.augment.resampling import resample_by_ratio
from ser_tl.augment.rng import BatchRng
from ser_tl.dependencies import require_torchaudio
from ser_tl.errors import ConfigError

UNIT = 100
"""Speeds are whole percents."""


@TRANSFORMS.register("speed")
@dataclass
class Speed(ClipTransform):
    """Changes the speed (Ko et al. 2015).

    Args:
        probability: of each clip
        factor: 1.1 plays a tenth faster, higher and shorter
        step: between the factors that there are, in hundredths: 0.1 leaves 0.9, 1.0 and 1.1 of the default's range
    """

    probability: float = 0.5
    factor: Range = (0.9, 1.1)
    step: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        require_torchaudio("the transform speed")
        self._range("factor", 0.5, 2.0)
        hundredths = UNIT * self.step if isinstance(self.step, int | float) else 0
        if not round(hundredths) >= 1 or abs(hundredths - round(hundredths)) > 1e-6:
            raise ConfigError(f"{self._at('step')} is {self.step!r}: expected hundredths, such as 0.01 or 0.1")

    def change(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor, Drawn]:
        """Changes the speed of all of the clips."""
        low, high = (round(UNIT * end) for end in self.factor)
        step = round(UNIT * self.step)
        ratios = low + step * draws.choice(len(waveform), (high - low) // step + 1)
        new, ends = resample_by_ratio(waveform, lengths, ratios, UNIT)
        return new, ends, {"speed": (ratios / UNIT).tolist()}
