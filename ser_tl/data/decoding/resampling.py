"""Blocks of mono samples at any rate, as blocks at 16 kHz.

    blocks (N,) at a rate --resample_blocks()--> blocks at 16 kHz, together bit for bit what the whole would give

soxr resamples a whole array in chunks itself, with the state that its stream keeps: both give the same samples, of the
same number (`count_resampled`).
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from ser_tl.data.audio_config import SAMPLE_RATE as SAMPLE_RATE
from ser_tl.errors import AudioError

RATES = (1_000, 1_000_000)
"""The lowest and highest rate that is believed. A header with another is damaged, or holds no sound."""


def check_rate(rate: float, name: str) -> None:
    """Refuses a rate at which speech isn't recorded.

    Raises:
        AudioError: the rate isn't within `RATES`
    """
    if not RATES[0] <= rate <= RATES[1]:
        raise AudioError(
            f"{name}: a rate of {rate:g} Hz, expected {RATES[0]:g} to {RATES[1]:g} samples per second: correct it"
        )


def count_resampled(samples: int, rate: float) -> int:
    """The number of samples at 16 kHz that soxr returns for a number of samples at another rate."""
    return samples if rate == SAMPLE_RATE else math.floor(samples * SAMPLE_RATE / rate + 0.5)


def resample(mono: np.ndarray, rate: float) -> np.ndarray:
    """Samples (N,) at 16 kHz, float32, clipped to [-1, 1]."""
    blocks = list(resample_blocks([mono], rate))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def resample_blocks(blocks: Iterable[np.ndarray], rate: float) -> Iterator[np.ndarray]:
    """Blocks at 16 kHz, float32, clipped to [-1, 1].

    Args:
        blocks: mono samples (N,), float32, in order
        rate: their samples per second
    """
    if rate == SAMPLE_RATE:
        yield from (np.clip(block, -1.0, 1.0) for block in blocks)
        return
    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
    for block in blocks:
        yield np.clip(stream.resample_chunk(block), -1.0, 1.0)
    yield np.clip(stream.resample_chunk(np.zeros(0, np.float32), last=True), -1.0, 1.0)
