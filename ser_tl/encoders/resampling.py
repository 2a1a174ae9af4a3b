"""Another sampling rate by one strided convolution, whose kernels are made once.

    waveform (B, N) at the one rate --windowed sinc, a kernel for each phase--> (B, N') at the other

Every `step` samples that go in, `phases` come out, and the filters repeat: 320 and 441 from 16 kHz to 22.05 kHz. The
numbers are those of torchaudio.functional.resample, which makes the kernels anew for every batch.
"""

import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ser_tl.modules.graph import is_exporting

Count = TypeVar("Count", int, Tensor)

_ROLLOFF = 0.99  # of the lower rate's half, where the filter cuts


class Resampler(nn.Module):
    """Band-limited interpolation by a Hann-windowed sinc (Smith and Gossett 1984).

    Args:
        rate: samples a second that go in
        other: samples a second that come out
        crossings: zeros of the sinc on each side, inside its window

    Shape:
        waveform (B, N) -> (B, N'); N' = ceil(N other / rate)
    """

    kernels: Tensor

    def __init__(self, rate: int, other: int, *, crossings: int = 16) -> None:
        super().__init__()
        common = math.gcd(rate, other)
        self.step, self.phases = rate // common, other // common
        self.crossings, self.cut = crossings, _ROLLOFF * min(self.step, self.phases)
        self.reach = math.ceil(crossings * self.step / self.cut)  # samples on each side of a kernel's middle
        offsets = torch.arange(-self.reach, self.reach + self.step, dtype=torch.float32) / self.step
        times = offsets - torch.arange(self.phases, dtype=torch.float32)[:, None] / self.phases
        times = (self.cut * times).clamp(-crossings, crossings)
        window = (math.pi / 2 / crossings * times).cos().square()
        kernels = torch.special.sinc(times) * window * (self.cut / self.step)
        self.register_buffer("kernels", kernels[:, None], persistent=False)  # (phases, 1, taps)

    def forward(self, waveform: Tensor) -> Tensor:
        """The waveform at the other rate."""
        is_whole = (
            is_exporting()
        )  # what a recorded graph is given is a multiple of any step here, and no sample is left over
        padded = functional.pad(waveform, (self.reach, self.reach + (0 if is_whole else self.step)))[:, None]
        resampled = functional.conv1d(padded, self.kernels, stride=self.step).mT.flatten(
            1
        )  # from (B, phases, N / step)
        return resampled if is_whole else resampled[:, : self.count(waveform.shape[1])]

    def count(self, samples: Count) -> Count:
        """The number of samples at the other rate."""
        return -(-samples * self.phases // self.step)
