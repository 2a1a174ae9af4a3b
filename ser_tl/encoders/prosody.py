"""Prosody: how loud, how high, how voiced, frame by frame.

    waveform -> energy, zero crossings                            } -> 5 channels --deltas--> states
             -> PitchTracker -> pitch, periodicity, voiced or not }

Where there is no voice the pitch is drawn straight from the voiced frame before to the one after, so that its mean and
its deviation over a clip are those of the voice; the fifth channel shows where it was.
"""

from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from ser_tl.encoders.base import FAMILIES, OnMel, frames_mask
from ser_tl.encoders.computed import HOP, Computed, append_deltas, check_deltas, count_samples, decibels
from ser_tl.encoders.pitch import PitchTracker

CHANNELS = ("energy", "zero crossings", "pitch", "periodicity", "voiced")
"""The channels: dB, share of the samples, semitones over 27.5 Hz, 0 to 1, and 0 or 1. Deltas follow in order."""


@FAMILIES.register("prosody")
class Prosody(Computed):
    """Energy, zero crossings, pitch and voicing, and their deltas.

    Args:
        deltas: 1 adds the channels' deltas, 2 the deltas of these as well
        window: seconds over which energy and zero crossings are taken
        hop: seconds between frames
        floor: lowest pitch, Hz
        ceiling: highest pitch, Hz

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) -> states (1, B, T, 5 (1 + deltas)), mask (B, T)
    """

    family = "prosody"
    why_not_exportable = "the pitch of each frame depends on the whole path before it, a loop as long as the clip"

    def __init__(self, *, deltas: int, window: float, hop: float, floor: float, ceiling: float) -> None:
        options = {"deltas": deltas, "window": window, "hop": hop, "floor": floor, "ceiling": ceiling}
        super().__init__(hop, options)
        self.window = count_samples("window", window)
        self.pitch = PitchTracker(self.hop, floor, ceiling)
        self.middle = (floor * ceiling) ** 0.5  # the pitch of a clip without any voice
        self.deltas = check_deltas(deltas)
        self.dim = len(CHANNELS) * (1 + deltas)

    @classmethod
    def from_pretrained(
        cls,
        source: str = "",  # noqa: ARG003
        *,
        deltas: int = 1,
        window: float = 0.025,
        hop: float = HOP,
        floor: float = 65.0,
        ceiling: float = 600.0,
    ) -> Self:
        """The features; nothing is loaded, whatever the source."""
        return cls(deltas=deltas, window=window, hop=hop, floor=floor, ceiling=ceiling)

    def features(self, waveform: Tensor, lengths: Tensor, on_mel: OnMel | None = None) -> Tensor:  # noqa: ARG002
        """The five channels and their deltas."""
        negative = waveform < 0
        crosses = negative[:, 1:] != negative[:, :-1]
        crosses = functional.pad(crosses & frames_mask(lengths, waveform.shape[1])[:, 1:], (1, 0))
        hertz, periodicity = self.pitch(waveform, lengths)
        counts = self.counts(lengths)
        voiced = (hertz > 0) & frames_mask(counts, hertz.shape[1])
        pitch = interpolate_unvoiced(semitones(hertz), voiced, float(semitones(torch.tensor(self.middle))))
        energy = decibels(self._mean(waveform.square()))
        channels = torch.stack([energy, self._mean(crosses.float()), pitch, periodicity, voiced.float()], dim=-1)
        return append_deltas(channels, counts, self.deltas)

    def _mean(self, values: Tensor) -> Tensor:
        """Mean (B, T) of values (B, N) over the window around each frame."""
        count, before = -(-values.shape[1] // self.hop), self.window // 2
        behind = (count - 1) * self.hop + self.window - before - values.shape[1]
        return functional.pad(values, (before, behind)).unfold(1, self.window, self.hop).mean(dim=-1)


def semitones(hertz: Tensor) -> Tensor:
    """Semitones over 27.5 Hz (the lowest A of a piano), as in eGeMAPS."""
    return 12 * (hertz.clamp_min(1.0) / 27.5).log2()


def interpolate_unvoiced(values: Tensor, voiced: Tensor, otherwise: float) -> Tensor:
    """Values (B, T), interpolated linearly over unvoiced frames, level before the first and after the last voiced one.

    Args:
        values: (B, T)
        voiced: (B, T), True where a value counts
        otherwise: the value of clips without any voiced frame
    """
    length = values.shape[1]
    steps = torch.arange(length, device=values.device).expand_as(values)
    before = steps.where(voiced, -1).cummax(dim=1).values
    after = steps.where(voiced, length).flip(1).cummin(dim=1).values.flip(1)
    before, after = before.where(before >= 0, after), after.where(after < length, before)
    share = (steps - before) / (after - before).clamp_min(1)
    first, last = (values.gather(1, where.clamp(0, length - 1)) for where in (before, after))
    return (first + share.clamp(0, 1) * (last - first)).where(voiced.any(dim=1, keepdim=True), otherwise)
