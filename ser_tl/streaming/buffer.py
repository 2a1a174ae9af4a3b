"""The last seconds of a stream, under the numbers that its samples have had from its beginning.

    append(block), read(start, stop), forget(before)

Sample numbers are integers, so that nothing drifts however long the stream is; memory is what isn't forgotten yet.
"""

import numpy as np


class SampleBuffer:
    """Samples of a stream, from the first that isn't forgotten to the last that came.

    Attributes:
        start: number of the first sample that is there
        stop: number behind the last one
    """

    def __init__(self, start: int = 0) -> None:
        self.start = start
        self._samples = np.zeros(16_000, np.float32)
        self._count = 0

    @property
    def stop(self) -> int:
        """The number behind the last sample."""
        return self.start + self._count

    def append(self, block: np.ndarray) -> None:
        """Adds samples (N,) behind the last one."""
        need = self._count + len(block)
        if need > len(self._samples):
            grown = np.zeros(2 * need, np.float32)
            grown[: self._count] = self._samples[: self._count]
            self._samples = grown
        self._samples[self._count : need] = block
        self._count = need

    def read(self, start: int, stop: int) -> np.ndarray:
        """A copy of the samples from one number to the one before another; those that are there."""
        first, last = max(start, self.start) - self.start, max(stop, self.start) - self.start
        return self._samples[first : min(last, self._count)].copy()

    def forget(self, before: int) -> None:
        """Lets go of the samples below a number."""
        drop = min(before - self.start, self._count)
        if drop <= 0:
            return
        self._samples[: self._count - drop] = self._samples[drop : self._count].copy()
        self._count -= drop
        self.start += drop

    def restart(self, start: int) -> None:
        """Lets go of everything; the next sample has this number."""
        self._count, self.start = 0, start
