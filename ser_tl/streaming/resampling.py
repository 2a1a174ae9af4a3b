"""A stream at any rate, and at rates that change, as one stream at 16 kHz.

    block (N,) and its rate --StreamResampler.push()--> samples at 16 kHz, as many as are certain by now

soxr holds back the samples that depend on what is yet to come (about 20 ms at 48 kHz); it doesn't delay them: sample n
is the signal at n / 16000 s, and what is fed in chunks is bit for bit what the whole would give. `pending` tells how
much is held back, `finish` gives it out.
"""

import math
from fractions import Fraction

import numpy as np
import soxr

from ser_tl.data.audio import SAMPLE_RATE

_NOTHING = np.zeros(0, np.float32)


class StreamResampler:
    """Resamples block by block.

    Attributes:
        rate: of the last block, in Hz; None before the first
        count: samples at 16 kHz given out so far
    """

    def __init__(self) -> None:
        self.rate: float | None = None
        self.count = 0
        self._stream: soxr.ResampleStream | None = None
        self._seconds = Fraction(0)  # of all finished stretches of one rate
        self._samples = 0  # fed in at the rate of now

    @property
    def due(self) -> Fraction:
        """Samples at 16 kHz that what was fed in amounts to, exactly."""
        here = Fraction(self._samples) / Fraction(self.rate) if self.rate else Fraction(0)
        return (self._seconds + here) * SAMPLE_RATE

    @property
    def pending(self) -> float:
        """Seconds that were fed in and aren't given out yet."""
        return float(self.due - self.count) / SAMPLE_RATE

    def push(self, block: np.ndarray, rate: float) -> np.ndarray:
        """What a block adds.

        Args:
            block: mono samples (N,), float32
            rate: samples per second; a new one ends what was before, and nothing of it is lost

        Returns:
            Samples (M,) at 16 kHz, float32 in [-1, 1]; none if all are held back.
        """
        before = _NOTHING
        if rate != self.rate:
            before = self.finish()
            self.rate = rate
            self._stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
        self._samples += len(block)
        after = block if self._stream is None else self._stream.resample_chunk(block)
        return np.concatenate([before, self._give(after)])

    def finish(self) -> np.ndarray:
        """Gives out what is held back; the next block begins a stretch of its own.

        All stretches together have exactly floor(seconds * 16000 + 0.5) samples: changes of rate don't add up.
        """
        if self.rate is None:
            return _NOTHING
        rest = _NOTHING if self._stream is None else self._stream.resample_chunk(_NOTHING, last=True)
        missing = math.floor(self.due + Fraction(1, 2)) - self.count
        if len(rest) < missing:  # soxr rounds each stretch for itself: one sample at most
            rest = np.pad(rest, (0, missing - len(rest)), mode="edge" if len(rest) else "constant")
        rest = self._give(rest[:missing])
        self._seconds, self._samples, self.rate, self._stream = self.due / SAMPLE_RATE, 0, None, None
        return rest

    def _give(self, samples: np.ndarray) -> np.ndarray:
        self.count += len(samples)
        return np.clip(samples, -1.0, 1.0).astype(np.float32, copy=False)
