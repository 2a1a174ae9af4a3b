"""Loudness of clips, normalised inside the model: the same in training, prediction and an exported graph.

    waveform (B, N), lengths (B,) --Loudness--> waveform (B, N)

`data.audio.normalise` is the same for one clip in numpy. Independent of speech.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from ser_tl.data.audio_config import SILENCE
from ser_tl.modules.graph import length_mask

TARGET_RMS = 0.1
"""Root mean square after `rms`: about -20 dBFS."""


class Loudness(nn.Module):
    """Each clip at a peak of 1, at an RMS of 0.1, or as it is. Silence stays silence.

    Args:
        how: none, peak or rms, as in `AudioConfig`

    Shape:
        waveform (B, N), lengths (B,) samples -> (B, N)
    """

    def __init__(self, how: Literal["none", "peak", "rms"]) -> None:
        super().__init__()
        self.how = how

    def forward(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """Scales each clip; samples behind its end become zero."""
        if self.how == "none":
            return waveform
        inside = length_mask(lengths, waveform.shape[1])
        waveform = waveform * inside
        peak = waveform.abs().amax(dim=1)
        if self.how == "peak":
            scale = 1.0 / peak.clamp_min(SILENCE)
        else:
            power = waveform.square().sum(dim=1) / lengths
            scale = TARGET_RMS / power.sqrt().clamp_min(1e-12)
        return waveform * torch.where(peak > SILENCE, scale, 1.0)[:, None]

    def extra_repr(self) -> str:
        """What is normalised, for `print(model)`."""
        return self.how
