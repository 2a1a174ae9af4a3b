"""A random part of a clip instead of the whole."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ser_tl.augment.base import TRANSFORMS, ClipTransform, Drawn, Range, length_mask
from ser_tl.augment.rng import BatchRng
from ser_tl.data.audio import SAMPLE_RATE

SHORTEST = 0.5
"""Seconds that are always kept."""


@TRANSFORMS.register("crop")
@dataclass
class Crop(ClipTransform):
    """Keeps a random stretch of a clip, never less than half a second of it.

    Args:
        probability: of each clip
        keep: the share that is kept
        seconds: that are kept instead of a share, whole clips where they are shorter; None for `keep`. A stream's
            windows, [0.6, 3], whatever the lengths of a corpus
    """

    probability: float = 0.5
    keep: Range = (0.7, 1.0)
    seconds: Range | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._range("keep", 0.01, 1.0)
        if self.seconds is not None:
            self._range("seconds", SHORTEST, 600.0)

    def change(self, waveform: Tensor, lengths: Tensor, draws: BatchRng) -> tuple[Tensor, Tensor, Drawn]:
        """Cuts all of the clips."""
        full_lengths = lengths.cpu()
        if self.seconds is None:
            wanted = draws.uniform(len(waveform), *self.keep) * full_lengths
        else:
            wanted = draws.uniform(len(waveform), *self.seconds) * SAMPLE_RATE
        new_lengths = wanted.round().long().clamp_min(round(SHORTEST * SAMPLE_RATE)).minimum(full_lengths)
        begins = draws.randint_below(full_lengths - new_lengths + 1)
        new = cut_segments(waveform, begins, new_lengths)
        return (
            new,
            new_lengths.to(lengths),
            {"kept": (new_lengths / full_lengths).tolist(), "from s": (begins / SAMPLE_RATE).tolist()},
        )


def cut_segments(waveform: Tensor, begins: Tensor, lengths: Tensor) -> Tensor:
    """A stretch of each clip, zeros behind it.

    Shape:
        waveform (B, N), begins (B,) and lengths (B,) on the CPU -> (B, longest)
    """
    begins, lengths = begins.to(waveform.device), lengths.to(waveform.device)
    time = torch.arange(int(lengths.max()), device=waveform.device)
    indices = (begins[:, None] + time).clamp_max(waveform.shape[1] - 1)
    return waveform.gather(1, indices) * length_mask(lengths, len(time))
