"""The frames of an open turn, each encoded once: what a hop adds is a piece, and the window is pooled over all of them.

    hop --pieces since the last one--> encode_frames --> frames of the last 3 s --classify_frames--> WindowAnswer

The answers are those of the model for the turn's samples up to the hop, as long as the window begins with the turn.
Later the window's first pieces were encoded with what was before them.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.errors import ConfigError
from ser_tl.inference.session import Session, StitchedSession
from ser_tl.modules.stitching import Piece, Stitching
from ser_tl.streaming.answering import WindowAnswer

Read = Callable[[int, int], np.ndarray]
"""The samples from one number of the stream to the one before another."""


class _Frames(NamedTuple):
    start: int
    stop: int
    values: np.ndarray  # (T, W)


class StitchedFrames:
    """Follows one turn after the other.

    Args:
        session: of a stitched model
        stitching: its pieces
        window: samples of the longest window
    """

    def __init__(self, session: StitchedSession, stitching: Stitching, window: int) -> None:
        self.session, self.stitching, self.window = session, stitching, window
        self.hop = round(stitching.hop * SAMPLE_RATE)
        self._pieces: deque[_Frames] = deque()
        self._onset: int | None = None

    def advance(self, read: Read, onset: int, hop: int) -> None:
        """Encodes what a turn has had since the last hop: one piece, or one longer piece after hops that were left out.

        Args:
            read: samples of the stream
            onset: number of the turn's first sample
            hop: number behind the last
        """
        if onset != self._onset:
            self.reset()
            self._onset = onset
        for piece in self._due(onset, hop):
            frames = self.session.encode_frames(read(piece.begin, piece.stop))
            count = self.stitching.count_frames(piece, len(frames), self.session.frame_rate)
            self._pieces.append(_Frames(piece.start, piece.stop, frames[len(frames) - count :]))
        while len(self._pieces) > 1 and self._pieces[0].start < hop - self.window:
            self._pieces.popleft()

    def _due(self, onset: int, hop: int) -> list[Piece]:
        """What isn't encoded yet."""
        if self._pieces:  # more than a hop after hops that were left out: one longer piece costs less than several
            return [self.stitching.piece(max(self._pieces[-1].stop, hop - self.window), hop, onset)]
        if 2 * (hop - onset) < self.hop:  # it joins the next piece, as in a clip
            return []
        return [
            Piece(onset + begin, onset + start, onset + stop)
            for begin, start, stop in self.stitching.plan_pieces(hop - onset)
        ]

    def answer(self) -> WindowAnswer:
        """The answer for the frames that there are."""
        answers = self.session.classify_frames(np.concatenate([piece.values for piece in self._pieces]))
        return WindowAnswer(answers.probabilities[0], answers.dimensions[0])

    @property
    def is_empty(self) -> bool:
        """Whether nothing of the turn is encoded yet: less than half a hop of it is there."""
        return not self._pieces

    def reset(self) -> None:
        """Forgets the turn."""
        self._pieces.clear()
        self._onset = None


def follow_pieces(
    session: Session, hop: int, window: int, cut: str, *, wanted: bool | None = None
) -> StitchedFrames | None:
    """The frames of a session's turns; None where windows are encoded whole.

    Args:
        session: of any model
        hop: samples between answers
        window: samples of the longest window
        cut: of the stream
        wanted: whether pieces are asked for; where they fit, if None

    Raises:
        ConfigError: pieces are asked for, and the model wasn't fitted on such or the stream doesn't fit them
    """
    obstacle = _find_obstacle(session, hop, cut)
    if wanted and obstacle:
        raise ConfigError(f"stitched: {obstacle}")
    stitching = session.stitching if isinstance(session, StitchedSession) else None
    if wanted is False or obstacle or stitching is None or not isinstance(session, StitchedSession):
        return None
    return StitchedFrames(session, stitching, window)


def _find_obstacle(session: Session, hop: int, cut: str) -> str:
    """Why a stream can't encode each hop once; empty if it can."""
    stitching = session.stitching if isinstance(session, StitchedSession) else None
    if stitching is None:
        return (
            "this model was fitted on whole clips, and answers badly from frames of pieces (46 % instead of 91 % were "
            "measured): make one that was fitted on pieces (ser-tl stitch), or leave it out"
        )
    if hop != round(stitching.hop * SAMPLE_RATE):
        return (
            f"the model was fitted on pieces of {stitching.hop:g} s, and hop is {hop / SAMPLE_RATE:g}: take hop "
            f"{stitching.hop:g}, or stitch the model with that hop"
        )
    return "" if cut == "turn" else f"windows begin with the turn, and cut is {cut!r}: leave one of them out"
