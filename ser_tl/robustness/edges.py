"""What stands before and behind the speech: silence, the room's own noise, late starts, a part of the clip alone.

Knows samples alone.
"""

import numpy as np

from ser_tl.augment import BatchRng
from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.robustness.change import Function

ROOM_TONE = -60.0
"""RMS of a quiet room, dB of full scale."""


def add_silence(*, before: float = 0.0, behind: float = 0.0) -> Function:
    """Digital silence before and behind a clip, seconds."""
    return add_zeros(before=round(before * SAMPLE_RATE), behind=round(behind * SAMPLE_RATE))


def add_zeros(*, before: int = 0, behind: int = 0) -> Function:
    """Zeros before and behind a clip, samples."""

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:  # noqa: ARG001
        return np.pad(waveform, (before, behind))

    return change


def add_room_tone(seconds: float, level: float = ROOM_TONE) -> Function:
    """White noise of a level, in dB of full scale, at both ends of a clip."""
    samples = round(seconds * SAMPLE_RATE)

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:
        noise = 10 ** (level / 20) * draws.normal(2, samples).numpy()
        return np.concatenate([noise[0], waveform, noise[1]])

    return change


def crop(*, first: int = 0, last: int = 0) -> Function:
    """A clip without its first and last samples."""

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:  # noqa: ARG001
        return waveform[first : len(waveform) - last]

    return change


def start_late(share: float) -> Function:
    """A clip whose beginning, a share of it, wasn't recorded."""

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:  # noqa: ARG001
        return waveform[round(share * len(waveform)) :]

    return change


def keep_middle(seconds: float) -> Function:
    """The middle of a clip; clips that are as short stay as they are."""
    samples = round(seconds * SAMPLE_RATE)

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:  # noqa: ARG001
        begin = max(0, (len(waveform) - samples) // 2)
        return waveform[begin : begin + samples]

    return change


def repeat_until(seconds: float) -> Function:
    """A clip over and over, until it has so many seconds: longer, and nothing new."""
    samples = round(seconds * SAMPLE_RATE)

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:  # noqa: ARG001
        return np.tile(waveform, -(-samples // len(waveform)))[: max(samples, len(waveform))]

    return change


def shift(samples: int) -> Function:
    """A clip so many samples later, as long as before: zeros come in and its end goes out."""

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:  # noqa: ARG001
        return np.concatenate([np.zeros(samples, np.float32), waveform[: len(waveform) - samples]])

    return change
