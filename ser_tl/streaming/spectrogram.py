"""A spectrogram of a recording of any length, as wide as a screen: read block by block."""

import math

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE, Source, duration, iter_blocks

_WINDOW = 400  # samples: 25 ms
_BINS = 512


def measure_spectrogram(source: Source, columns: int = 1500) -> np.ndarray:
    """Power (columns, 257) of Hann windows of 25 ms, evenly over the recording; fewer columns for a short one.

    Args:
        source: path, bytes or file object of encoded audio
        columns: at most so many

    Raises:
        AudioError: the recording can't be used
    """
    step = max(160, math.ceil(duration(source) * SAMPLE_RATE / columns))
    hann, rows = np.hanning(_WINDOW), []
    first, next_column = 0, step // 2
    for block in iter_blocks(source, silence=True):
        while next_column < first + len(block):  # a window at a block's edge is moved into the block
            start = min(max(0, next_column - first - _WINDOW // 2), max(0, len(block) - _WINDOW))
            frame = np.zeros(_WINDOW)
            piece = block[start : start + _WINDOW]
            frame[: len(piece)] = piece
            rows.append(np.abs(np.fft.rfft(frame * hann, n=_BINS)) ** 2)
            next_column += step
        first += len(block)
    return np.array(rows, np.float32).reshape(-1, _BINS // 2 + 1)
