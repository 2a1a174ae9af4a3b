"""Where somebody speaks: noises, other voices, music, rooms.

Noises, babble and rooms are `augment`'s, with every option pinned. Recorded noise and impulse responses come from
your own folders; without them, coloured noise, chords and decaying noise stand in, and are called what they are.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ser_tl.augment import Babble, Background, BatchRng, Reverb, build_transform
from ser_tl.augment.base import add_at_snr
from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.robustness.change import Change, Function, Limits
from ser_tl.robustness.transforms import transform

_CHORDS = ((220.0, 261.63, 329.63), (174.61, 220.0, 261.63), (261.63, 329.63, 392.0), (196.0, 246.94, 293.66))  # Hz
_BEAT = round(0.5 * SAMPLE_RATE)


def noise(colour: str, snr: float) -> Function:
    """White, pink or brown noise, so many dB below the clip."""
    return transform(build_transform("noise", {"probability": 1.0, "snr": snr, "colours": [colour]}))


def noise_between(low: float, high: float) -> Function:
    """White noise, a number of dB between two below the clip."""
    return transform(build_transform("noise", {"probability": 1.0, "snr": [low, high]}))


def recorded_noise(folder: Path, snr: float) -> Function:
    """Recordings of a folder, so many dB below the clip."""
    background = Background(probability=1.0, snr=(snr, snr), folder=str(folder))
    background.prepare([], 0)
    return transform(background)


def babble(snr: float, limits: Limits | None) -> Change:
    """Other voices of the same corpus, three to seven at once, so many dB below the clip."""
    babble_transform = Babble(probability=1.0, snr=(snr, snr))

    def take(voices: Sequence[np.ndarray]) -> None:
        babble_transform.prepare([torch.from_numpy(voice) for voice in voices], 0)

    return Change(f"babble {snr:g} dB", "noise", transform(babble_transform), limits, take)


def chords(snr: float) -> Function:
    """Chords of three notes with their overtones, half a second each, so many dB below the clip: made, not recorded."""

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:
        beats = -(-len(waveform) // _BEAT)
        order = draws.choice(beats, len(_CHORDS)).tolist()
        time = np.arange(_BEAT) / SAMPLE_RATE
        music = np.concatenate([sum(_note(hertz, time) for hertz in _CHORDS[index]) for index in order])
        clip = torch.from_numpy(np.ascontiguousarray(waveform))[None]
        tune = torch.from_numpy(music[: len(waveform)].astype(np.float32))[None]
        return add_at_snr(clip, torch.tensor([len(waveform)]), tune, torch.tensor([snr]))[0].numpy()

    return change


def _note(hertz: float, time: np.ndarray) -> np.ndarray:
    overtones = sum(np.sin(2 * np.pi * number * hertz * time) / number for number in range(1, 6))
    return overtones * np.exp(-3.0 * time)


def room(seconds: float, lead: float = 0.0, folder: Path | None = None) -> Function:
    """A room, its responses made or of a folder.

    Args:
        seconds: reverberation time, RT60
        lead: of direct over reverberant sound, dB
        folder: of recorded impulse responses, which have their own time and lead
    """
    reverb = Reverb(
        probability=1.0,
        folder=None if folder is None else str(folder),
        seconds=(seconds, seconds),
        lead=(lead, lead),
    )
    reverb.prepare([], 0)
    return transform(reverb)
