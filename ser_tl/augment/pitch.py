"""Pitch shifting: speech higher or lower at the same tempo.

    waveform --phase vocoder--> longer by the ratio, at its pitch --played faster by it--> higher, and as long as before

Formants move with the pitch, as they do in torchaudio's and librosa's: small shifts only stay within a voice.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ser_tl.augment.base import TRANSFORMS, ClipTransform, Drawn, Range, zero_padding
from ser_tl.augment.resampling import resample_by_ratio
from ser_tl.augment.rng import BatchRng
from ser_tl.augment.vocoder import time_stretch
from ser_tl.dependencies import require_torchaudio

UNIT = 400
"""Ratios come in steps of a 400th, 4.3 cents."""


@TRANSFORMS.register("pitch")
@dataclass
class PitchShift(ClipTransform):
    """Shifts the pitch.

    Args:
        probability: of each clip
        cents: hundredths of a semitone, upwards if positive
    """

    probability: float = 0.3
    cents: Range = (-50.0, 50.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_torchaudio("the transform pitch")
        self._range("cents", -1200.0, 1200.0)

    def change(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor, Drawn]:
        """Shifts the pitch of all of the clips."""
        wanted = draws.uniform(len(waveform), *self.cents)
        ratios = (UNIT * 2 ** (wanted / 1200)).round().long()
        slower, ends = time_stretch(waveform, lengths, UNIT / ratios)
        new, _ = resample_by_ratio(slower, ends, ratios, UNIT)
        width = waveform.shape[1]
        new = functional.pad(new, (0, max(0, width - new.shape[1])))[:, :width]
        cents = 1200 * torch.log2(ratios / UNIT)
        return zero_padding(new, lengths), lengths, {"shift in cents": cents.tolist()}
