"""How a stitched model encodes a clip: piece by piece, each encoded with a little of what came before it.

    clip of N samples --plan_pieces()--> Piece(begin, start, stop), ...    frames of [start, stop) of each are kept

Pieces are a hop long and counted from the clip's end, so that a stream, which asks at each hop, never encodes a piece
twice: the pieces of a clip that goes on are those that it had, and one more. Numbers alone, no torch.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Self

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.errors import ConfigError


class Piece(NamedTuple):
    """A part of a clip that is encoded by itself.

    Attributes:
        begin: number of the first sample that the encoder sees
        start: number of the first sample whose frames are kept
        stop: number behind the last of both
    """

    begin: int
    start: int
    stop: int


@dataclass(frozen=True)
class Stitching:
    """The pieces of a model.

    Args:
        hop: seconds of a piece
        context: seconds before it that are encoded with it, as far as the clip has them

    Raises:
        ConfigError: a hop or a context that makes no sense
    """

    hop: float = 0.2
    context: float = 0.4

    def __post_init__(self) -> None:
        if not (0.1 <= self.hop <= 10 and 0 <= self.context <= 10):
            raise ConfigError(
                f"pieces of {self.hop:g} s with {self.context:g} s of context: expected a hop of 0.1 to 10 s and a "
                f"context of 0 to 10 s"
            )

    def plan_pieces(self, samples: int) -> list[Piece]:
        """The pieces of a clip, in order; the first has 0.5 to 1.5 hops, or all of a clip that is shorter."""
        hop = round(self.hop * SAMPLE_RATE)
        count = max(1, (2 * samples + hop) // (2 * hop))
        edges = [0, *range(samples - (count - 1) * hop, samples, hop), samples]
        return [self.piece(start, stop, 0) for start, stop in pairwise(edges)]

    def piece(self, start: int, stop: int, first: int) -> Piece:
        """The piece of some samples, of a clip that begins at the sample `first`."""
        return Piece(max(first, start - round(self.context * SAMPLE_RATE)), start, stop)

    def count_frames(self, piece: Piece, frames: int, frame_rate: float) -> int:
        """How many of a piece's frames are kept, from its end.

        Args:
            piece: that was encoded
            frames: of the encoder, all of the piece
            frame_rate: frames a second
        """
        if piece.begin == piece.start:
            return frames
        return min(frames, max(1, round((piece.stop - piece.start) / SAMPLE_RATE * frame_rate)))

    def to_json(self) -> dict[str, float]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any] | None) -> Self | None:
        """What `to_json` gave; None of a model that encodes clips whole."""
        return None if content is None else cls(**content)
