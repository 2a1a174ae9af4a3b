"""Silence around speech, as recording buttons leave it: digital, or the room's own noise.

clip --> [before] clip [behind], each end as long as drawn
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ser_tl.augment.base import TRANSFORMS, ClipTransform, Drawn, Range, length_mask, power
from ser_tl.augment.rng import BatchRng
from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.errors import ConfigError


@TRANSFORMS.register("silence")
@dataclass
class Silence(ClipTransform):
    """Puts silence before and behind a clip.

    Args:
        probability: of each clip
        seconds: of each end
        snr: speech to room tone (white noise), dB
        digital: share of the changed clips whose ends are zeros instead
    """

    probability: float = 0.3
    seconds: Range = (0.0, 1.5)
    snr: Range = (30.0, 60.0)
    digital: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        self._range("seconds", 0.0, 30.0)
        self._range("snr", 0.0, 120.0)
        if not isinstance(self.digital, int | float) or not 0 <= self.digital <= 1:
            raise ConfigError(f"{self._at('digital')} is {self.digital!r}: expected a share from 0 to 1")

    def change(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor, Drawn]:
        """Puts silence around all of the clips."""
        count = len(waveform)
        seconds = [draws.uniform(count, *self.seconds) for _ in range(2)]
        before, behind = ((share * SAMPLE_RATE).round().long().to(lengths) for share in seconds)
        snr, zeros = draws.uniform(count, *self.snr), draws.bernoulli(count, self.digital)
        ends = before + lengths + behind
        time = torch.arange(int(ends.max()), device=waveform.device)
        positions = time - before[:, None]
        speech = (positions >= 0) & (positions < lengths[:, None])
        moved = waveform.gather(1, positions.clamp(0, waveform.shape[1] - 1)) * speech
        level = power(waveform, lengths).sqrt() * 10 ** (-snr.to(waveform) / 20) * ~zeros.to(waveform.device)
        tone = draws.normal(count, len(time)) * level[:, None] * (length_mask(ends, len(time)) & ~speech)
        drawn = {"s before": seconds[0].tolist(), "s behind": seconds[1].tolist(), "SNR in dB": snr.tolist()}
        return moved + tone, ends, drawn
