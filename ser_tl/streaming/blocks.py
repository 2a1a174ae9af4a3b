"""A block of a stream as mono samples, checked but for NaN, which the stream deals with.

A block may hold no samples, and one is as good as a thousand: unlike recordings (`data.audio.read_array`), blocks may
be too short to tell channels from samples, so channels come last.
"""

import numpy as np
from numpy.typing import ArrayLike

from ser_tl.data.decoding.resampling import check_rate
from ser_tl.errors import AudioError

_MOST_CHANNELS = 64  # of an interface that records; microphones have one or two
_LOUDEST = 4.0  # floats above are integers that nobody scaled


def read_block(samples: ArrayLike, rate: float) -> tuple[np.ndarray, float]:
    """Mono float32 samples (N,) and their rate.

    Args:
        samples: floats in [-1, 1], or integers, which are divided by the full scale of their type; (N,), or (N, C),
            whose mean is taken
        rate: samples per second

    Raises:
        AudioError: not samples, of another shape, not scaled, or an impossible rate
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float | np.integer | np.floating):
        raise AudioError(f"a block of a stream: a rate of {rate!r}, expected samples per second such as 16000")
    check_rate(float(rate), "a block of a stream")
    block = np.asarray(samples)
    if not block.size:
        return np.zeros(0, np.float32), float(rate)
    if block.dtype.kind not in "fiu":
        raise AudioError(f"a block of type {block.dtype}: expected floats in [-1, 1] or integers")
    if block.ndim > 2 or (block.ndim == 2 and block.shape[1] > _MOST_CHANNELS):
        raise AudioError(f"a block of shape {block.shape}: expected mono (N,) or (N, C), channels last")
    if block.dtype.kind != "f":
        full = 2.0 ** (8 * block.itemsize - 1)
        block = (block.astype(np.float64) - (full if block.dtype.kind == "u" else 0.0)) / full
    with np.errstate(invalid="ignore"):  # infinite samples of two signs
        mono = block.mean(axis=1, dtype=np.float64) if block.ndim == 2 else block
    finite = mono[np.isfinite(mono)]
    peak = float(np.abs(finite).max()) if len(finite) else 0.0
    if peak > _LOUDEST:
        raise AudioError(
            f"a block with samples up to {peak:g}: expected floats in [-1, 1]; divide by the full scale (32768 for 16 "
            f"bits)"
        )
    return mono.astype(np.float32), float(rate)
