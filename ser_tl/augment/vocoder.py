"""A phase vocoder for batches in which every clip has its own rate.

    waveform --STFT--> magnitudes and turns of phase --read at the clip's own pace, turns multiplied up--> phases
      --neighbouring bins brought to agree--> iSTFT

The phases are those of torchaudio.functional.phase_vocoder, which takes one rate for a whole batch and twice the time:
since frames come out at the hop at which they went in, the phase advance that is taken off and put back again needn't
be, and no angle is ever computed, only phasors multiplied (Flanagan and Golden 1966). By themselves, the bins of one
partial drift apart at each onset and then cancel each other: hollow, reverberant voices. So each bin is turned by what
it and its neighbours were turned by, weighed by their magnitudes (loose phase locking, after Puckette 1995).
"""

from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

from ser_tl.augment.base import zero_padding

SIZE = 512
"""Samples of a window, 32 ms: two periods of the lowest voices."""

HOP = 128

_NEIGHBOURS = 2  # bins to either side, as far as the window spreads a partial


def time_stretch(waveform: Tensor, lengths: Tensor, rates: Tensor) -> tuple[Tensor, Tensor]:
    """Clips faster or slower at the same pitch.

    Args:
        waveform: (B, N), zeros behind each clip's end
        lengths: (B,)
        rates: (B,) on the CPU; 1.1 is a tenth faster

    Returns:
        The waveform, and the lengths round(n / rate).
    """
    ends = (lengths.cpu() / rates).round().long().clamp_min(1)
    samples = int(ends.max())
    window = torch.hann_window(SIZE, device=waveform.device)
    padded = functional.pad(waveform, (0, SIZE))  # a clip shorter than the window can't be mirrored at its ends
    spectrum = torch.stft(padded, SIZE, HOP, window=window, pad_mode="constant", return_complex=True)  # (B, F, T)
    count = -(-(samples + SIZE) // HOP) + 1
    positions = torch.arange(count, device=waveform.device) * rates.to(waveform)[:, None]  # (B, T')
    positions = positions.clamp_max(spectrum.shape[2] - 2)
    below, between = positions.long(), positions - positions.floor()
    locked = _lock_phases(spectrum, interpolate_phase(spectrum, below, between), below)
    new = torch.istft(locked, SIZE, HOP, window=window, length=samples)
    ends = ends.to(lengths)
    return zero_padding(new, ends), ends


def interpolate_phase(spectrum: Tensor, positions: Tensor, between: Tensor) -> Tensor:
    """The spectrum read at other positions in time, its phase going on from frame to frame as it did there.

    Shape:
        spectrum (B, F, T), positions (B, T') whole, between (B, T') from 0 to 1 -> (B, F, T')
    """
    size = spectrum.abs()
    phasor = torch.where(size > 1e-9, spectrum / size.clamp_min(1e-9), 1.0)
    turn = phasor[..., 1:] * phasor[..., :-1].conj()
    index = positions[:, None].expand(-1, spectrum.shape[1], -1)
    phase = torch.cat([phasor[..., :1], turn.gather(2, index[..., :-1])], dim=2).cumprod(dim=2)
    below = size.gather(2, index)
    return (below + between[:, None] * (size.gather(2, index + 1) - below)) * phase


def _lock_phases(spectrum: Tensor, interpolated: Tensor, positions: Tensor) -> Tensor:
    """The interpolated spectrum, every bin's phase turned by as much as its neighbourhood's.

    Shape:
        spectrum (B, F, T), interpolated (B, F, T'), positions (B, T') of the frames read -> (B, F, T')
    """
    read = spectrum.gather(2, positions[:, None].expand(-1, spectrum.shape[1], -1))
    turned = functional.pad(torch.view_as_real(interpolated * read.conj()), (0, 0, 0, 0, _NEIGHBOURS, _NEIGHBOURS))
    bins = interpolated.shape[1]
    summed = torch.view_as_complex(
        reduce(torch.add, (turned[:, reach : reach + bins] for reach in range(2 * _NEIGHBOURS + 1)))
    )
    turned_to = summed * read
    return interpolated.abs() * turned_to / turned_to.abs().clamp_min(1e-20)
