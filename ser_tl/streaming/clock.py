"""Whether blocks of a stream follow each other, by the time at which each was captured.

A device that was unplugged or a network that dropped packets leaves a hole between two blocks; a clock that was set
leaves a jump that isn't one. Only neighbours are compared: a device whose clock runs fast or slow never adds up to
a gap.
"""

from typing import NamedTuple

from ser_tl.errors import AudioError

TOLERANCE = 0.25
"""Seconds: capture times jitter, and less isn't worth a cut."""

LONGEST_GAP = 3600.0
"""Seconds: a longer hole is a clock that was set."""


class Break(NamedTuple):
    """Between two blocks.

    Attributes:
        seconds: that are missing; 0 if none
        jump: seconds by which the clock jumped; 0 if it didn't
    """

    seconds: float
    jump: float


class CaptureClock:
    """Compares the capture times of neighbouring blocks."""

    def __init__(self) -> None:
        self._next: float | None = None  # when the next block should have been captured

    def check(self, captured: float, seconds: float) -> Break:
        """Looks at the next block.

        Args:
            captured: when its first sample was captured, in seconds of any clock
            seconds: its length

        Raises:
            AudioError: the time isn't a finite number
        """
        if not abs(captured) < float("inf"):
            raise AudioError(f"a block captured at {captured}: expected seconds, a finite number")
        late = 0.0 if self._next is None else captured - self._next
        self._next = captured + seconds
        if TOLERANCE < late <= LONGEST_GAP:
            return Break(late, 0.0)
        return Break(0.0, late if abs(late) > TOLERANCE else 0.0)

    def reset(self) -> None:
        """The next block may be captured at any time."""
        self._next = None
