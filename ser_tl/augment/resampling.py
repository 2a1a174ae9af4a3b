"""Clips played faster or slower, by torchaudio's band-limited resampling.

    waveform, ratio of each clip in steps of 1 / unit --clips of one ratio together--> waveform, n / ratio samples

Ratios come in steps, so that few filters are made, and those are kept.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from ser_tl.augment.base import zero_padding
from ser_tl.dependencies import require_torchaudio


@lru_cache(maxsize=256)
def _resampler(before: int, after: int, device: torch.device) -> Callable[[Tensor], Tensor]:
    require_torchaudio("resampling in augmentation")
    from torchaudio.transforms import Resample

    return Resample(before, after).to(device)


def resample_by_ratio(waveform: Tensor, lengths: Tensor, ratios: Tensor, unit: int) -> tuple[Tensor, Tensor]:
    """Clips at other speeds, which move pitch and duration alike.

    Args:
        waveform: (B, N)
        lengths: (B,)
        ratios: (B,) whole numbers, on the CPU: `unit` leaves a clip as it is, twice that plays it at double speed
        unit: see there

    Returns:
        The waveform, and the lengths ceil(n unit / ratio).
    """
    ends = -(-lengths.cpu() * unit // ratios)
    new = waveform.new_zeros(len(waveform), int(ends.max()))
    for ratio in ratios.unique().tolist():
        rows = (ratios == ratio).nonzero()[:, 0]
        longest = int(lengths.cpu()[rows].max())
        rows_there = rows.to(waveform.device)
        clips = waveform[rows_there, :longest]
        if ratio != unit:
            clips = _resampler(ratio, unit, waveform.device)(clips)
        width = min(clips.shape[1], new.shape[1])
        new[rows_there, :width] = clips[:, :width]
    ends = ends.to(lengths)
    return zero_padding(new, ends), ends
