"""Where speech begins and ends in a stream: hysteresis and hangover over a score for each 32 ms.

    frame (512,) --scorer--> score --SpeechGate.push--> turns begin and end

Two thresholds, so that a score at the edge doesn't flicker. A turn begins when a few frames in a row are speech (a
click isn't), at the first of them. It ends when none was for a while (a pause between words isn't an end), behind the
last.
"""

from typing import Protocol

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE

FRAME = 512
"""Samples in a frame: 32 ms."""


class SpeechScorer(Protocol):
    """Scores frames as speech or not, one by one; keeps a state of the frames before.

    Attributes:
        on: scores from here on begin speech
        off: scores below end it
        name: for messages
    """

    on: float
    off: float
    name: str

    def score(self, frame: np.ndarray) -> float:
        """The score of the next frame (512,) at 16 kHz."""
        ...

    def reset(self) -> None:
        """Forgets the frames before."""
        ...


class SpeechGate:
    """Follows a stream frame by frame.

    Args:
        scorer: scores frames
        confirm: seconds of speech that it takes to begin a turn
        hangover: seconds without speech that it takes to end one

    Attributes:
        onset: number of the open turn's first sample; None in a pause
        end: number behind the last sample of speech
    """

    def __init__(self, scorer: SpeechScorer, *, confirm: float = 0.09, hangover: float = 0.3) -> None:
        self.scorer = scorer
        self.confirm = max(1, round(confirm * SAMPLE_RATE / FRAME))
        self.hangover = max(1, round(hangover * SAMPLE_RATE / FRAME))
        self.onset: int | None = None
        self.end = 0
        self._active = False  # the last frame, by hysteresis
        self._run = 0  # frames of speech in a row, until a turn begins

    @property
    def oldest(self) -> int:
        """Samples before this stream's head that a turn which isn't confirmed yet may begin at."""
        return self.confirm * FRAME

    def push(self, frame: np.ndarray, stop: int) -> bool:
        """Takes the next frame.

        Args:
            frame: (512,) samples
            stop: number of the sample behind its last

        Returns:
            Whether a turn ended with it: from `onset`, which is then None again, to `end`.
        """
        self._active = self.scorer.score(frame) >= (self.scorer.off if self._active else self.scorer.on)
        if self._active:
            self.end = stop
            self._run += 1
            if self.onset is None and self._run >= self.confirm:
                self.onset = stop - self._run * FRAME
            return False
        self._run = 0
        if self.onset is not None and stop - self.end >= self.hangover * FRAME:
            self.onset = None
            return True
        return False

    def reset(self) -> None:
        """Closes an open turn and forgets what was before."""
        self.scorer.reset()
        self.onset, self._active, self._run = None, False, 0
