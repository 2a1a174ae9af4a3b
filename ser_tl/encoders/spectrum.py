"""The power spectrum of windowed frames, by FFT or, where a graph is recorded, as a product with cosines and sines.

Complex numbers are what exported graphs can't hold. A product of windowed cosines and sines with each frame, one
convolution, has the same real and imaginary parts, and takes two to three times as long on a CPU as the FFT.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from ser_tl.modules.graph import is_exporting


class PowerSpectrum(nn.Module):
    """Squared magnitudes of the discrete Fourier transform of frames, each under a window.

    Args:
        window: (W,)
        size: samples of a frame, W or more: the window stands in its middle, with zeros around it
        hop: samples between frames

    Shape:
        waveform (B, N) -> (B, T, size / 2 + 1); T = floor((N - size) / hop) + 1
    """

    window: Tensor
    waves: Tensor

    def __init__(self, window: Tensor, size: int, hop: int) -> None:
        super().__init__()
        self.size, self.hop = size, hop
        self.before = (size - len(window)) // 2
        self.register_buffer("window", window, persistent=False)
        # Made in float64: float32 would lose the phase of the highest waves' last samples.
        steps = torch.arange(len(window), dtype=torch.float64)
        angles = 2 * math.pi / size * (torch.arange(size // 2 + 1)[:, None] * steps).remainder(size)
        waves = torch.cat([angles.cos(), angles.sin()]) * window.double()
        self.register_buffer("waves", waves.float()[:, None], persistent=False)  # (2 bins, 1, W)

    def forward(self, waveform: Tensor) -> Tensor:
        """The spectrum of each frame."""
        if is_exporting():
            return self.multiply(waveform)
        width = len(self.window)
        spectrum = torch.stft(waveform, self.size, self.hop, width, self.window, center=False, return_complex=True)
        return spectrum.abs().square().mT

    def multiply(self, waveform: Tensor) -> Tensor:
        """The same as one convolution."""
        after = self.size - self.before - self.window.shape[0]
        inside = waveform[:, None, self.before : waveform.shape[1] - after]
        cosines, sines = functional.conv1d(inside, self.waves, stride=self.hop).chunk(2, dim=1)
        return (cosines.square() + sines.square()).mT
