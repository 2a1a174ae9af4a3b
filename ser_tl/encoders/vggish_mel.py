"""VGGish's front end: the published log-mel spectrogram, in torch.

    waveform -> windows of 25 ms, every 10 ms -> magnitudes of an FFT of 512 -> 64 mel bands -> log(magnitude + 0.01)

Magnitudes, not powers, and triangles that are straight in mel, not in Hz: torchaudio's filters differ in both. Equals
the published numpy code to 1e-4. Independent of examples.
"""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.encoders.spectrum import PowerSpectrum

WINDOW = 400  # samples of a mel frame, 25 ms
HOP = 160  # samples between mel frames, 10 ms
FFT = 512  # samples, of which the last 112 are zero
BANDS = 64
LOWEST, HIGHEST = 125.0, 7500.0  # Hz, edges of the mel bands
FLOOR = 0.01  # added to a band's magnitude before the logarithm

_TINY = 1e-20  # power: the root of zero has no gradient

Count = TypeVar("Count", int, Tensor)


class VGGishLogMel(nn.Module):
    """The first frames of a clip's log-mel spectrogram, as if silence followed the clip.

    Shape:
        waveform (B, N), frames F that reach to its end or further -> (B, F, 64)
    """

    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.power = PowerSpectrum(torch.hann_window(WINDOW), FFT, HOP)
        self.register_buffer("filters", mel_filters(), persistent=False)

    def forward(self, waveform: Tensor, frames: int) -> Tensor:
        """The spectrogram."""
        with torch.autocast(waveform.device.type, enabled=False):  # logarithms of small magnitudes need float32
            reach, edge = (frames - 1) * HOP + WINDOW, (FFT - WINDOW) // 2  # windows stand in the middle of the FFT's
            padded = functional.pad(waveform.float(), (edge, reach - waveform.shape[1] + edge))
            magnitude = self.power(padded).clamp_min(_TINY).sqrt()
            return (magnitude @ self.filters.float() + FLOOR).log()


def mel_filters() -> Tensor:
    """The published mel matrix: triangles in mel, not in Hz, on HTK's scale.

    Shape:
        (257, 64)
    """
    bins = _mel(np.linspace(0.0, SAMPLE_RATE / 2, FFT // 2 + 1))[:, None]
    lowest, highest = _mel(np.array([LOWEST, HIGHEST]))
    edges = np.linspace(lowest, highest, BANDS + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    filters = np.minimum((bins - lower) / (centre - lower), (upper - bins) / (upper - centre)).clip(min=0.0)
    return torch.from_numpy(filters.astype(np.float32))


def mel_frames(samples: Count) -> Count:
    """Mel frames that reach a clip's last sample; none or fewer for clips within the first."""
    return -(-(samples - WINDOW) // HOP) + 1


def _mel(hertz: np.ndarray) -> np.ndarray:
    return 1127.0 * np.log1p(hertz / 700.0)
