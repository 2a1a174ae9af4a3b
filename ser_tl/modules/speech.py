"""Speech activity by energy, inside the model, relative to the clip itself.

    waveform (B, N), lengths (B,) --SpeechGate--> Speech(waveform (B, N'), lengths (B,), onsets (B,), seconds (B,))

Corpora are trimmed, recordings aren't: a second of silence before a word shifts an encoder's normalisation, is attended
to, and is pooled. The gate cuts what isn't speech from both ends before anything else gets the clip, and leaves pauses
within. It is tensors alone, so that training, evaluation, prediction and an exported graph have the same one.

The power of each 10 ms without its mean, smoothed over 30 ms and opened over 50 ms (a click is no speech), is speech
above a threshold: `BELOW_SPEECH` dB under the clip's loud level, or `ABOVE_FLOOR` over its noise floor where that is
higher, yet never within `LEAST` dB of the loud level. The loud level is the mean power weighted by itself, and digital
silence is no part of the floor: neither moves when silence is added to a clip. `HANGOVER` is kept around speech.

Where no sound is above `FAINTEST`, or a faint clip is as level as a room is, there is no speech: the clip stays whole,
and its seconds of speech are 0.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.modules.graph import is_exporting, is_fixed, length_mask, select_positions, shift

VERSION = 1
"""Part of cache keys: raised whenever the gate gives other samples."""

FRAME = 160
"""Samples in a frame, 10 ms."""

BELOW_SPEECH = 30.0
"""dB under the clip's loud level where speech ends in a quiet room: soft consonants are 20 to 30 below."""

ABOVE_FLOOR = 6.0
"""dB over the noise floor where speech begins in a loud one."""

LEAST = 15.0
"""dB under the loud level that always count as speech, however high the floor seems to be."""

HANGOVER = 10
"""Frames that are kept before and behind speech, 0.1 s: soft onsets and the decay of a room."""

FAINTEST = -65.0
"""dB of full scale: a loud level below this is no speech."""

FAINT = -50.0
"""dB of full scale: a loud level below this is no speech where the clip is level."""

LEVEL = 8.0
"""dB between loud level and floor from which a clip isn't level: speech has 30, noise 1 to 3."""

_DIGITAL = 1e-9  # power, -90 dB of full scale: what is below was never recorded
_SMOOTH = 3  # frames
_OPEN = 5  # frames
_FLOOR = 0.05  # share of the frames that are at or below the floor


class Speech(NamedTuple):
    """Clips cut to their speech.

    Attributes:
        waveform: (B, N'), zeros behind each end
        lengths: (B,) samples
        onsets: (B,) samples of the clip before its speech
        seconds: (B,) seconds from the first to the last speech, 0 where there is none
    """

    waveform: Tensor
    lengths: Tensor
    onsets: Tensor
    seconds: Tensor


class SpeechGate(nn.Module):
    """Cuts clips to their speech.

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) samples -> Speech
    """

    @property
    def facts(self) -> str:
        """The gate's name and version, for the keys of cached features."""
        return f"energy gate {VERSION}"

    def forward(self, waveform: Tensor, lengths: Tensor) -> Speech:
        """What is left of each clip, moved to its beginning."""
        active, speaks = find_speech(waveform, lengths)
        frames = torch.arange(active.shape[1], device=active.device)
        count = active.shape[1]
        first = torch.where(active, frames, count).amin(dim=1).clamp_max(count - 1)
        last = torch.where(active, frames, 0).amax(dim=1)
        onsets = torch.where(speaks, first * FRAME, 0)
        ends = torch.where(speaks, torch.minimum((last + 1) * FRAME, lengths), lengths)
        counts = ends - onsets
        samples = waveform.shape[1]
        moved = select_positions(waveform, shift(onsets, samples).clamp_max(samples - 1))
        moved = moved * length_mask(counts, samples)
        if not is_exporting():  # a recorded graph is as wide as its input, whatever is in it
            moved = moved[:, : int(counts.max())]
        return Speech(moved, counts, onsets, torch.where(speaks, counts, 0) / SAMPLE_RATE)


def find_speech(waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Which frames are speech, and in which clips there is any.

    Shape:
        waveform (B, N), lengths (B,) -> active (B, F), speaks (B,); F = ceil(N / FRAME)
    """
    with torch.autocast(waveform.device.type, enabled=False):
        power, inside = frame_power(waveform.float(), lengths)
        power = _open_spans(power, inside)
        loud = power.square().sum(dim=1) / power.sum(dim=1).clamp_min(1e-20)
        floor = _floor(power, inside)
        quietest, loudest = loud * _ratio(-BELOW_SPEECH), loud * _ratio(-LEAST)
        threshold = (floor * _ratio(ABOVE_FLOOR)).maximum(quietest).minimum(loudest)
        active = inside & (power > threshold[:, None])
        faint = (loud < _ratio(FAINT)) & (loud < floor * _ratio(LEVEL))
        speaks = (loud > _ratio(FAINTEST)) & ~faint & active.any(dim=1)
        widened = _widest(active.to(power.dtype), 2 * HANGOVER + 1) > 0
        return widened & inside & speaks[:, None], speaks


def frame_power(waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The power of each frame, smoothed, without its mean (a microphone's offset is no sound), and which are a clip's.

    Shape:
        waveform (B, N), lengths (B,) -> power (B, F), inside (B, F)
    """
    clips = waveform * length_mask(lengths, waveform.shape[1])
    if not is_exporting():  # a recorded graph is given whole frames
        clips = functional.pad(clips, (0, -waveform.shape[1] % FRAME))
    frames = clips.reshape(clips.shape[0], clips.shape[1] // FRAME, FRAME)
    power = (frames - frames.mean(dim=2, keepdim=True)).square().mean(dim=2)
    smooth = _neighbours(power, _SMOOTH, 0.0).mean(dim=2)
    inside = torch.arange(power.shape[1], device=power.device) * FRAME < lengths[:, None]
    return smooth * inside, inside


def _open_spans(power: Tensor, inside: Tensor) -> Tensor:
    """The largest of the smallest of each span: nothing that is shorter than a span is left of it."""
    smallest = -_widest(torch.where(inside, -power, -torch.inf), _OPEN)
    return _widest(torch.where(inside, smallest, 0.0), _OPEN) * inside


def _floor(power: Tensor, inside: Tensor) -> Tensor:
    """The power (B,) that a twentieth of a clip's frames don't exceed, digital silence left out."""
    recorded = inside & (power > _DIGITAL)
    index = ((recorded.sum(dim=1) - 1).clamp_min(0) * _FLOOR).long()
    floor = _nth_smallest(torch.where(recorded, power, torch.inf), index)
    return torch.where(recorded.any(dim=1), floor, _DIGITAL)


def _nth_smallest(values: Tensor, index: Tensor) -> Tensor:
    """The value of each row that so many others are before in their order, (B, F) and (B,) -> (B,)."""
    if not is_fixed(values.shape[1]):
        return values.sort(dim=1).values.gather(1, index[:, None])[:, 0]
    # A graph of one length, for TensorFlow Lite, which has no sort: values are compared with all others.
    value, other = values[:, :, None], values[:, None, :]
    less, up_to = (other < value).sum(dim=2), (other <= value).sum(dim=2)
    return torch.where((less <= index[:, None]) & (index[:, None] < up_to), values, -torch.inf).amax(dim=1)


def _widest(values: Tensor, size: int) -> Tensor:
    """The largest of each span of frames, (B, F) -> (B, F)."""
    return _neighbours(values, size, -torch.inf).amax(dim=2)


def _neighbours(values: Tensor, size: int, outside: float) -> Tensor:
    """Each frame with those around it, (B, F) -> (B, F, size). Poolings would fix F in a recorded graph."""
    count = values.shape[1]
    padded = functional.pad(values, (size // 2, size // 2), value=outside)
    if is_fixed(count):
        return torch.stack([padded[:, step : step + count] for step in range(size)], dim=2)
    around = torch.arange(count, device=values.device)[:, None] + torch.arange(size, device=values.device)
    return padded[:, around]


def _ratio(decibels: float) -> float:
    return 10.0 ** (decibels / 10.0)
