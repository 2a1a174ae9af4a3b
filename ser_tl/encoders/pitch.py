"""Pitch and voicing of speech: peaks of the autocorrelation, and the cheapest path through them.

    waveform -> autocorrelation of each frame -> a few candidate periods a frame, and "unvoiced"
      -> the path that is strong and doesn't jump -> PitchTrack(hertz (B, T), periodicity (B, T))

The method and its costs are those of Boersma (1993, "Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound"), Praat's own, over a batch of clips at once. A clip's path ends with the
clip: what stands behind never bends it. Independent of features and encoders.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.encoders.base import frames_mask
from ser_tl.errors import EncoderError

CANDIDATES = 6
"""Periods that a frame keeps."""

# Praat's standard costs, in units of correlation; those of a path are a hundredth of a second's.
VOICING = 0.45  # periodicity below which a frame is rather unvoiced
SILENCE = 0.03  # share of the clip's peak below which a frame is rather unvoiced
OCTAVE = 0.01  # an octave down: of a period and its double, both as strong, the period is meant
JUMP = 0.35  # an octave up or down between frames
SWITCH = 0.14  # voice on or off between frames

_AT_ONCE = 4096  # frames whose spectra are in memory together
_NEVER = -1e4  # score of a candidate that isn't one


class PitchTrack(NamedTuple):
    """The voice's fundamental, frame by frame.

    Attributes:
        hertz: (B, T), 0 where unvoiced
        periodicity: (B, T) from 0 to 1, the autocorrelation one period away; at its highest peak where unvoiced
    """

    hertz: Tensor
    periodicity: Tensor


class PitchTracker(nn.Module):
    """Boersma's pitch tracker.

    Args:
        hop: samples between frames
        floor: lowest pitch, Hz; a window is three of its periods
        ceiling: highest pitch, Hz

    Shape:
        waveform (B, N) with silence behind each clip, lengths (B,) -> PitchTrack of (B, T); T = ceil(N / hop)
    """

    window: Tensor
    taper: Tensor
    window_correlation: Tensor

    def __init__(self, hop: int, floor: float, ceiling: float) -> None:
        super().__init__()
        if not 20 <= floor < ceiling <= 2000:
            raise EncoderError(
                f"pitch from {floor:g} to {ceiling:g} Hz: floor and ceiling lie between 20 and 2000 Hz; voices are "
                f"within 65 to 600"
            )
        self.hop, self.floor = hop, floor
        self.shortest, self.longest = int(SAMPLE_RATE / ceiling), math.ceil(SAMPLE_RATE / floor)  # periods, samples
        width = round(3 * SAMPLE_RATE / floor)
        self.size = 1 << (width + self.longest).bit_length()  # of the FFT: no lag wraps around
        window = torch.hann_window(width)
        self.register_buffer("window", window, persistent=False)
        # From 1 at 0 Hz to 0 at 8 kHz (cos^4): peaks as sharp as a pulse train's fall between two lags, and would lose
        # to those of two or three periods that don't.
        taper = torch.hann_window(self.size + 1, periodic=False)[self.size // 2 :].square()
        self.register_buffer("taper", taper, persistent=False)  # (size / 2 + 1,)
        self.register_buffer("window_correlation", self._correlation(window), persistent=False)  # (longest + 2,)

    def forward(self, waveform: Tensor, lengths: Tensor) -> PitchTrack:
        """Pitch of padded clips."""
        width, count = len(self.window), -(-waveform.shape[1] // self.hop)
        padded = functional.pad(waveform, (width // 2, (count - 1) * self.hop + width - width // 2 - waveform.shape[1]))
        frames = padded.unfold(1, width, self.hop)  # (B, T, width), a view
        candidates = [self._candidates(chunk) for chunk in frames.split(max(1, _AT_ONCE // len(frames)), dim=1)]
        periods, strengths, peaks = (torch.cat(kind, dim=1) for kind in zip(*candidates, strict=True))
        loudness = peaks / peaks.amax(dim=1, keepdim=True).clamp_min(1e-10)
        unvoiced = VOICING + (2 - loudness * (1 + VOICING) / SILENCE).clamp_min(0)
        hertz = functional.pad(SAMPLE_RATE / periods, (0, 1))  # the last candidate, 0 Hz, is "unvoiced"
        scores = torch.cat([strengths + OCTAVE * (hertz[..., :-1] / self.floor).log2(), unvoiced[..., None]], dim=-1)
        path = best_path(scores, self._transitions(hertz), frames_mask(-(-lengths // self.hop), count))
        highest = strengths.amax(dim=-1, keepdim=True).clamp_min(0)
        periodicity = torch.cat([strengths, highest], dim=-1)
        return PitchTrack(*(values.gather(-1, path[..., None])[..., 0] for values in (hertz, periodicity)))

    def _candidates(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The highest peaks of the autocorrelation: periods and strengths (B, T, K), and the peak sample (B, T)."""
        mean = (frames @ self.window / self.window.sum())[..., None]
        centred = frames - mean
        correlation = self._correlation(centred * self.window) / self.window_correlation
        left, middle, right = (correlation[..., self.shortest + shift : self.longest + shift] for shift in (0, 1, 2))
        is_peak = (middle > left) & (middle >= right) & (middle > 0)
        lags = torch.arange(self.shortest + 1, self.longest + 1, device=frames.device)
        ranked = (middle - OCTAVE * lags.log2()).where(is_peak, _NEVER)
        best = ranked.topk(min(CANDIDATES, len(lags)), dim=-1).indices
        left, middle, right, is_peak = (values.gather(-1, best) for values in (left, middle, right, is_peak))
        # The vertex of the parabola through the peak and its neighbours.
        offset = (0.5 * (left - right) / (left - 2 * middle + right)).where(is_peak, 0)
        strength = (middle - 0.25 * (left - right) * offset).clamp(max=1).where(is_peak, _NEVER)
        return lags[best] + offset, strength, centred.abs().amax(dim=-1)

    def _correlation(self, frames: Tensor) -> Tensor:
        """Autocorrelation (..., longest + 2) over its value at lag 0; zero for silence."""
        power = torch.fft.rfft(frames, self.size).abs().square()
        power *= self.taper
        correlation = torch.fft.irfft(power, self.size)[..., : self.longest + 2]
        return correlation / correlation[..., :1].clamp_min(1e-20)

    def _transitions(self, hertz: Tensor) -> Tensor:
        """Cost (B, T - 1, K, K) from each candidate (second last) of a frame to each (last) of the next."""
        voiced, octaves = hertz > 0, hertz.clamp_min(1).log2()
        jump = JUMP * (octaves[:, :-1, :, None] - octaves[:, 1:, None, :]).abs()
        before, after = voiced[:, :-1, :, None], voiced[:, 1:, None, :]
        cost = jump.where(before & after, 0) + SWITCH * (before != after)
        return cost * (0.01 * SAMPLE_RATE / self.hop)


def best_path(scores: Tensor, costs: Tensor, mask: Tensor) -> Tensor:
    """The candidate of each frame on the path of the highest score (Viterbi 1967).

    Shape:
        scores (B, T, K), costs (B, T - 1, K, K) from and to, mask (B, T) -> (B, T) indices, each clip's path ending
        with its last frame
    """
    total, origins = scores[:, 0], []
    identity = torch.arange(scores.shape[-1], device=scores.device)
    for step in range(1, scores.shape[1]):
        reached, origin = (total[:, :, None] - costs[:, step - 1]).max(dim=1)
        inside = mask[:, step, None]
        total = (reached + scores[:, step]).where(inside, total)
        origins.append(origin.where(inside, identity))  # behind its end a clip's path stands still
    path = [total.argmax(dim=-1)]
    for origin in reversed(origins):
        path.append(origin.gather(1, path[-1][:, None])[:, 0])
    return torch.stack(path[::-1], dim=1)
