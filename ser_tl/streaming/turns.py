"""The turns in a stream of samples at 16 kHz: reports where speech begins and ends, to the sample.

    push(samples) --gate, 32 ms by 32 ms--> Turn(start, stop, samples) at each end; `window_start` in between

What is kept is the open turn, which is cut when it gets too long, or the last seconds of a pause: memory is
bounded however long the stream is. How the samples came in pieces changes nothing.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.streaming.buffer import SampleBuffer
from ser_tl.streaming.gate import FRAME, SpeechGate


class Turn(NamedTuple):
    """Speech between two pauses.

    Attributes:
        start: number of its first sample
        stop: number behind its last
        samples: (stop - start,)
    """

    start: int
    stop: int
    samples: np.ndarray


class TurnFinder:
    """Follows a stream.

    Args:
        gate: tells speech
        longest: seconds of a turn, beyond which it is cut in two
        keep: seconds that are kept in a pause

    Attributes:
        buffer: the last samples
        scored: number behind the last frame that the gate has seen
        onset: number of the sample at which the speaker began, also if the turn was cut since; None without speech
    """

    def __init__(self, gate: SpeechGate, *, longest: float = 60.0, keep: float = 3.0) -> None:
        self.gate = gate
        self.longest = int(longest * SAMPLE_RATE) // FRAME * FRAME
        self.keep = round(keep * SAMPLE_RATE)
        self.buffer = SampleBuffer()
        self.onset: int | None = None
        self._start: int | None = None  # of the open turn
        self.scored = 0

    @property
    def next_frame(self) -> int:
        """Number of the sample behind the next frame that the gate will see."""
        return self.scored + FRAME

    def append(self, samples: np.ndarray) -> None:
        """Adds samples; `step` looks at them."""
        self.buffer.append(samples)

    def step(self) -> Turn | None:
        """Looks at the next frame, which has to be there.

        Returns:
            The turn that ended with it.
        """
        stop = self.next_frame
        ended = self.gate.push(self.buffer.read(self.scored, stop), stop)
        self.scored = stop
        if ended:
            turn = self._take(self.gate.end)
            self.onset = self._start = None
        else:
            if self.onset is None and self.gate.onset is not None:
                self.onset = self._start = max(self.gate.onset, self.buffer.start)
            turn = None
            if self._start is not None and stop - self._start >= self.longest:
                turn = self._take(stop)
                self._start = stop
        self._forget()
        return turn

    def find(self, samples: np.ndarray) -> Iterator[Turn]:
        """Adds samples, and gives the turns that end in them."""
        self.append(samples)
        while self.next_frame <= self.buffer.stop:
            turn = self.step()
            if turn is not None:
                yield turn

    def finish(self) -> Turn | None:
        """Ends the open turn, of which there is one, where speech was last; the rest of a frame counts as speech."""
        stop = self.buffer.stop if self.gate.end == self.scored else self.gate.end
        turn = self._take(stop)
        self.restart(self.buffer.stop)
        return turn

    def restart(self, start: int) -> None:
        """Begins anew at the sample of a number: nothing before it is connected with what comes."""
        self.gate.reset()
        self.buffer.restart(start)
        self.onset = self._start = None
        self.scored = self.gate.end = start

    def _take(self, stop: int) -> Turn | None:
        if self._start is None or stop <= self._start:
            return None
        return Turn(self._start, stop, self.buffer.read(self._start, stop))

    def _forget(self) -> None:
        oldest = self.scored - max(self.keep, self.gate.oldest)
        oldest = oldest if self._start is None else min(oldest, self._start)
        if oldest - self.buffer.start >= SAMPLE_RATE:  # what stays has to be moved: not for every frame
            self.buffer.forget(oldest)
