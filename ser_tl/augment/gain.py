"""Speech louder or softer: another microphone, another distance."""

from dataclasses import dataclass

from torch import Tensor

from ser_tl.augment.base import TRANSFORMS, ClipTransform, Drawn, Range
from ser_tl.augment.rng import BatchRng


@TRANSFORMS.register("gain")
@dataclass
class Gain(ClipTransform):
    """Changes the level. A gain that would exceed full scale is lowered to what reaches it; nothing is clipped.

    Encoders that norm each clip themselves (wav2vec2's `do_normalize`) aren't affected by it alone.

    Args:
        probability: of each clip
        decibels: louder if positive
    """

    probability: float = 0.5
    decibels: Range = (-10.0, 6.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._range("decibels", -60.0, 60.0)

    def change(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor, Drawn]:
        """Changes the level of all of the clips."""
        peaks = waveform.abs().amax(dim=1)
        room = peaks.clamp_min(1.0) / peaks.clamp_min(1e-12)
        factor = (10 ** (draws.uniform(len(waveform), *self.decibels).to(waveform) / 20)).minimum(room)
        return waveform * factor[:, None], lengths, {"gain in dB": (20 * factor.log10()).tolist()}
