"""Speech by loudness alone: so many decibels above the quietest of the last seconds. Needs nothing.

It can't tell a voice from music or a door; `silero` can.
"""

from collections import deque

import numpy as np

_SPAN = 16  # frames in a block whose minimum is kept: half a second
_BLOCKS = 8  # of them: 4 s, in which a speaker pauses at least once
_QUIETEST, _LOUDEST = -70.0, -45.0  # dB of full scale: where the floor may be
_FIRST = -60.0  # the floor of a stream that has just begun, perhaps in the middle of a word
_FAINTEST = -60.0  # dB of full scale: below nothing is speech, however quiet the room; RAVDESS has a quarter below -55


class EnergyScorer:
    """Scores a frame by its level in dB above the noise floor, the lowest level of the last 4 s."""

    name = "energy"

    def __init__(self, on: float = 12.0, off: float = 8.0) -> None:
        self.on, self.off = on, off
        self.reset()

    def score(self, frame: np.ndarray) -> float:
        """Decibels above the floor; far below any threshold where the frame is faint."""
        level = 10.0 * float(np.log10(np.mean(np.square(frame, dtype=np.float64)) + 1e-12))
        floor = min(max(min(self._minima), _QUIETEST), _LOUDEST)
        self._lowest = min(self._lowest, level)
        self._count += 1
        if self._count == _SPAN:
            self._minima.append(self._lowest)
            self._lowest, self._count = np.inf, 0
        return level - floor if level > _FAINTEST else -np.inf

    def reset(self) -> None:
        """Begins with the floor of a quiet room."""
        self._minima: deque[float] = deque([_FIRST] * _BLOCKS, maxlen=_BLOCKS)
        self._lowest, self._count = np.inf, 0
