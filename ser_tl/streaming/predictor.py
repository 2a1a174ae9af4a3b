"""Emotion from a stream: an answer at each hop while somebody speaks, and one on the whole turn when it ends.

    feed(samples, rate) -> 16 kHz -> turns -> [turn's onset or 3 s ago, hop) -> Session.run -> smoothing -> Update

Time is counted in samples: nothing drifts. What is answered at a hop depends on the signal alone, never on the chunks
in which it came. Each window is computed whole: states of earlier hops couldn't be used exactly, since encoders
normalise over the window. A model that was fitted on stitched pieces needn't: `stitched`.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from ser_tl.data.audio import SAMPLE_RATE, SILENCE
from ser_tl.errors import AudioError, ConfigError
from ser_tl.inference.session import Session, find_calibration, open_session
from ser_tl.modules.calibration import describe_calibration
from ser_tl.streaming.answering import answer_clip, answer_window, likeliest, name_values
from ser_tl.streaming.blocks import read_block
from ser_tl.streaming.clock import CaptureClock
from ser_tl.streaming.gate import SpeechGate
from ser_tl.streaming.resampling import StreamResampler
from ser_tl.streaming.smoothing import make_smoother
from ser_tl.streaming.stitched import follow_pieces
from ser_tl.streaming.turns import Turn, TurnFinder
from ser_tl.streaming.update import Update
from ser_tl.streaming.voice import Voice, make_scorer

if TYPE_CHECKING:
    from ser_tl.model import EmotionModel

BRIEFEST = 0.25
"""Seconds: a turn that is shorter has no answer."""

_PIECE = 1.0  # second of a block that is worked through at once: an hour in one block takes no more memory


class StreamingPredictor:
    """Predicts the emotion in a stream.

    Args:
        model: a model in torch; a session; the folder of a saved or of an exported model; a name on a hub; the bundled
            model if None
        hop: seconds between answers
        window: the most seconds that an answer looks back
        smoothing: of the answers within a turn: `ema:WEIGHT`, `vote:COUNT` or `none`
        cut: where windows begin: `turn` at the speaker's onset, `sliding` `window` seconds ago whatever was then
        shortest: seconds of a turn that it takes for an answer
        voice: what tells speech: `energy`, `silero`, a scorer, or silero where onnxruntime is installed if `auto`
        hangover: seconds of pause that end a turn
        longest_turn: seconds after which a turn is answered and cut, so that memory is bounded
        stitched: encode each hop once, with the context that the model was fitted on (`ser-tl stitch`), and pool over
            the window, instead of the whole window at each hop; if None, where the model was fitted so for this hop
        device: where a model in torch computes

    Attributes:
        late_hops: hops that weren't answered as later ones were due (`feed(late="skip")`)
        lost_seconds: in gaps
        clock_jumps: of the capture clock, which are no gaps

    Examples:
        >>> import numpy as np
        >>> from ser_tl.streaming import StreamingPredictor
        >>> stream = StreamingPredictor(smoothing="none", voice="energy")
        >>> tone = 0.1 * np.sin(np.arange(48_000) / 10).astype(np.float32)
        >>> [bool(update.label) for update in stream.feed(tone[:16_000], 16_000)]
        [False, False, True, True, True]
        >>> [update.kind for update in stream.flush()]
        ['final']

    Raises:
        ConfigError: options that make no sense, or a voice activity that isn't installed
        CheckpointError: there is no such model, or it is damaged
    """

    def __init__(
        self,
        model: "EmotionModel | Session | str | Path | None" = None,
        *,
        hop: float = 0.2,
        window: float = 3.0,
        smoothing: str = "ema:0.4",
        cut: Literal["turn", "sliding"] = "turn",
        shortest: float = 0.6,
        voice: Voice = "auto",
        hangover: float = 0.3,
        longest_turn: float = 60.0,
        stitched: bool | None = None,
        device: str | None = None,
    ) -> None:
        if not 0.02 <= hop <= 60:
            raise ConfigError(f"hop is {hop}: expected 0.02 to 60 seconds")
        if not 0.1 <= shortest <= window:
            raise ConfigError(
                f"shortest is {shortest} and window {window}: expected 0.1 <= shortest <= window, seconds"
            )
        if not 1.0 <= longest_turn <= 3600:
            raise ConfigError(f"longest_turn is {longest_turn}: expected 1 to 3600 seconds")
        if not 0.03 <= hangover <= 10:
            raise ConfigError(f"hangover is {hangover}: expected 0.03 to 10 seconds")
        if cut not in ("turn", "sliding"):
            raise ConfigError(f"cut is {cut!r}: expected turn or sliding")
        self.cut = cut
        self.smoother = make_smoother(smoothing)
        gate = SpeechGate(make_scorer(voice), hangover=hangover)
        self.session = open_session(model, device)
        longest = self.session.audio.max_seconds
        if window > longest:
            raise ConfigError(
                f"window is {window:g} s, and the model takes {longest:g} s at most (audio.max_seconds): choose less"
            )
        self.hop, self.window, self.shortest = (round(seconds * SAMPLE_RATE) for seconds in (hop, window, shortest))
        self.frames = follow_pieces(self.session, self.hop, self.window, cut, wanted=stitched)
        self.turns = TurnFinder(gate, longest=longest_turn, keep=window)
        self.resampler = StreamResampler()
        self.clock = CaptureClock()
        self.reset()

    @property
    def labels(self) -> list[str]:
        """The emotions, in the order of the probabilities."""
        return list(self.session.labels)

    @property
    def calibration(self) -> str:
        """How probabilities were calibrated, in a line, smoothing apart; or that they never were."""
        return describe_calibration(find_calibration(self.session), len(self.session.labels))

    @property
    def time(self) -> float:
        """Seconds of the stream so far, of which the last few milliseconds may still be in the resampler."""
        return (self._base + float(self.resampler.due)) / SAMPLE_RATE

    def feed(
        self,
        samples: ArrayLike,
        rate: float,
        *,
        captured: float | None = None,
        late: Literal["answer", "skip"] = "answer",
    ) -> list[Update]:
        """Takes the next block of the stream.

        Samples that are NaN or infinite are lost, as are those that `captured` tells of: the turn ends before the gap,
        an update of the kind `gap` says where it is, and the stream goes on behind it.

        Args:
            samples: any number of them, none included: floats in [-1, 1] or integers, mono or (N, C)
            rate: samples per second; may change from block to block
            captured: when the first of them was captured, in seconds of any clock; a hole between two blocks is a gap
            late: `answer` all hops that fall due; of several `skip` all but the last and count them, where answers
                that come late are worth nothing

        Returns:
            What there is to say, in the order of time.

        Raises:
            AudioError: not a block of samples, or an impossible rate; the stream is as it was before
        """
        block, hertz = read_block(samples, rate)
        updates: list[Update] = []
        if captured is not None:
            break_before = self.clock.check(captured, len(block) / hertz)
            self.clock_jumps += bool(break_before.jump)
            if break_before.seconds:
                updates += self.skip(break_before.seconds, f"no samples were captured for {break_before.seconds:.2f} s")
        step = max(1, round(_PIECE * hertz))
        for piece in (block[first : first + step] for first in range(0, len(block), step)):
            if np.isfinite(piece).all():
                updates += self._advance(self.resampler.push(piece, hertz), late)
            else:
                updates += self.skip(len(piece) / hertz, "samples that are NaN or infinite")
        return updates

    def skip(self, seconds: float, reason: str = "lost") -> list[Update]:
        """Goes on behind a gap: the open turn ends, and no window spans it.

        Args:
            seconds: that were lost
            reason: for the update

        Raises:
            AudioError: not a positive, finite number of seconds
        """
        if not 0 < seconds < float("inf"):
            raise AudioError(f"a gap of {seconds} s: expected a positive number of seconds")
        updates = self._end()
        first = self.turns.buffer.stop
        self._base = first + math.floor(seconds * SAMPLE_RATE + 0.5)
        self.resampler = StreamResampler()
        self.turns.restart(self._base)
        self._next_hop = (self._base // self.hop + 1) * self.hop
        self.lost_seconds += seconds
        start, end = first / SAMPLE_RATE, self._base / SAMPLE_RATE
        return [*updates, Update(end, "gap", start, end, speech=False, reason=reason)]

    def flush(self) -> list[Update]:
        """What is left to say: of the samples that the resampler holds back, and of the open turn.

        The stream may go on afterwards, with a new turn.
        """
        return self._end()

    def reset(self) -> None:
        """Begins a new stream at 0 s."""
        self._base = 0  # samples before the resampler's first
        self._next_hop = self.hop
        self.late_hops, self.lost_seconds, self.clock_jumps = 0, 0.0, 0
        self.resampler = StreamResampler()
        self.clock.reset()
        self.smoother.reset()
        if self.frames is not None:
            self.frames.reset()
        self.turns.restart(0)

    def _end(self) -> list[Update]:
        updates = self._advance(self.resampler.finish(), "answer")
        now = self.turns.buffer.stop
        turn = self.turns.finish()
        self.smoother.reset()
        return updates if turn is None else [*updates, self._final(turn, now)]

    def _advance(self, samples: np.ndarray, late: str) -> list[Update]:
        """Works through what is due up to the last sample, frames and hops in the order of time."""
        turns, updates = self.turns, []
        turns.append(samples)
        head = turns.buffer.stop
        while min(turns.next_frame, self._next_hop) <= head:
            if turns.next_frame <= self._next_hop:
                onset = turns.onset
                turn = turns.step()
                if turn is not None:
                    updates.append(self._final(turn, turns.scored))
                if turns.onset != onset:
                    self.smoother.reset()
                continue
            hop, self._next_hop = self._next_hop, self._next_hop + self.hop
            if late == "skip" and self._next_hop <= head:
                self.late_hops += 1
            else:
                updates.append(self._partial(hop))
        return updates

    def _partial(self, hop: int) -> Update:
        """The answer at a hop."""
        turns = self.turns
        earliest = max(hop - self.window, turns.buffer.start)
        speech = turns.onset is not None
        start = max(earliest, turns.onset) if turns.onset is not None and self.cut == "turn" else earliest
        times = hop / SAMPLE_RATE, "partial", start / SAMPLE_RATE, hop / SAMPLE_RATE
        if self.frames is not None and turns.onset is not None:
            self.frames.advance(turns.buffer.read, turns.onset, hop)
        if not speech or hop - start < self.shortest or (self.frames is not None and self.frames.is_empty):
            return Update(*times, speech=speech)
        samples = turns.buffer.read(start, hop)
        if np.abs(samples).max() <= SILENCE:
            return Update(*times, speech=False)
        answer = answer_window(self.session, samples) if self.frames is None else self.frames.answer()
        smoothed = self.smoother.smooth(answer.probabilities) if self.labels else answer.probabilities
        return Update(
            *times,
            likeliest(self.session.labels, smoothed),
            name_values(self.session.labels, smoothed),
            name_values(self.session.dimensions, answer.dimensions),
        )

    def _final(self, turn: Turn, now: int) -> Update:
        """The answer for a whole turn."""
        times = now / SAMPLE_RATE, "final", turn.start / SAMPLE_RATE, turn.stop / SAMPLE_RATE
        silent = bool(np.abs(turn.samples).max() <= SILENCE)
        if silent or turn.stop - turn.start < BRIEFEST * SAMPLE_RATE:
            return Update(*times, speech=not silent)
        answer = answer_clip(self.session, turn.samples)
        return Update(
            *times,
            likeliest(self.session.labels, answer.probabilities),
            name_values(self.session.labels, answer.probabilities),
            name_values(self.session.dimensions, answer.dimensions),
        )
