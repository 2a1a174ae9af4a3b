"""Emotion over time in a long recording.

    recording -> blocks -> turns (voice activity, or an RTTM's) -> parts of one emotion -> Timeline

The recording is read once and isn't held: memory is a turn's. Unlike a live stream, each point is seen with what comes
after it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE, SILENCE, Source, duration, iter_blocks
from ser_tl.data.decoding.sources import describe
from ser_tl.data.decoding.streaming import stream_windows
from ser_tl.errors import ConfigError
from ser_tl.inference.session import Session, open_session
from ser_tl.streaming.answering import name_values
from ser_tl.streaming.gate import SpeechGate
from ser_tl.streaming.predictor import BRIEFEST
from ser_tl.streaming.segmentation import measure_curve, split_turn
from ser_tl.streaming.speaker_turns import SpeakerTurn
from ser_tl.streaming.turns import TurnFinder
from ser_tl.streaming.voice import Voice, make_scorer

if TYPE_CHECKING:
    from ser_tl.model import EmotionModel


@dataclass(frozen=True)
class TimelineSegment:
    """A part of a recording.

    Args:
        start: seconds into the recording
        end: likewise
        label: the emotion; empty without speech, and where speech is too short for an answer
        confidence: the label's probability; 0 without
        speech: whether somebody speaks
        speaker: who does, where it is known
        probabilities: by emotion; empty without
    """

    start: float
    end: float
    label: str = ""
    confidence: float = 0.0
    speech: bool = True
    speaker: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Timeline:
    """A recording's emotions over time.

    Args:
        source: the recording's name
        seconds: its length
        labels: the emotions
        segments: in order of their starts; without speaker turns end to end
        times: (T,) seconds of the points that windows were centred on, in order of the turns
        probabilities: (T, C) at them
        model: what was asked
        voice: the voice activity detector
    """

    source: str
    seconds: float
    labels: list[str]
    segments: list[TimelineSegment]
    times: np.ndarray
    probabilities: np.ndarray
    model: str = ""
    voice: str = ""

    @property
    def speakers(self) -> list[str]:
        """Those that are known, in the order in which they first speak."""
        return list(dict.fromkeys(segment.speaker for segment in self.segments if segment.speaker))


class _Speech(NamedTuple):
    start: int
    samples: np.ndarray
    speaker: str


def build_timeline(
    source: Source,
    model: "EmotionModel | Session | str | Path | None" = None,
    *,
    turns: Sequence[SpeakerTurn] | None = None,
    hop: float = 0.25,
    window: float = 2.0,
    penalty: float = 6.0,
    voice: Voice = "auto",
    device: str | None = None,
) -> Timeline:
    """The emotions in a recording of any length.

    Args:
        source: path, bytes or file object of encoded audio
        model: as for `Predictor`
        turns: of speakers; turns by voice activity if None
        hop: seconds between the points that windows are centred on
        window: their length, seconds
        penalty: nats that a change of emotion within a turn costs, less at quiet moments; infinite keeps turns whole
        voice: as for `StreamingPredictor`
        device: where a model in torch computes

    Raises:
        AudioError: the recording can't be used
        ConfigError: options that make no sense, a model of dimensions alone, turns beyond the recording
    """
    if not (0.05 <= hop <= 60 and window >= 0.1 and penalty >= 0):
        raise ConfigError(
            f"hop {hop}, window {window}, penalty {penalty}: expected a hop of 0.05 to 60 s, a window of 0.1 s or "
            f"more, and no negative penalty"
        )
    session = open_session(model, device)
    if not session.labels:
        raise ConfigError("the model predicts dimensions alone, and a timeline shows emotions: choose another model")
    window = min(window, session.audio.max_seconds)
    seconds = duration(source)
    if turns is None:
        scorer = make_scorer(voice)
        speech, voice_name = _find_speech(source, TurnFinder(SpeechGate(scorer))), scorer.name
    else:
        speech, voice_name = _read_speech(source, turns, seconds), "given turns"
    segments, times, rows = [], [], []
    for start, samples, speaker in speech:
        first, last = start / SAMPLE_RATE, (start + len(samples)) / SAMPLE_RATE
        silent = bool(np.abs(samples).max() <= SILENCE)
        if silent or len(samples) < BRIEFEST * SAMPLE_RATE:
            segments.append(TimelineSegment(first, last, speech=not silent, speaker=speaker))
            continue
        curve = measure_curve(session, samples, hop=hop, window=window)
        times.append(first + curve.centres / SAMPLE_RATE)
        rows.append(curve.probabilities)
        for part in split_turn(session, samples, curve, penalty=penalty):
            best = int(part.probabilities.argmax())
            segments.append(
                TimelineSegment(
                    first + part.start / SAMPLE_RATE,
                    first + part.stop / SAMPLE_RATE,
                    session.labels[best],
                    float(part.probabilities[best]),
                    speaker=speaker,
                    probabilities=name_values(session.labels, part.probabilities),
                )
            )
    return Timeline(
        describe(source),
        seconds,
        list(session.labels),
        _fill_pauses(segments, seconds),
        np.concatenate(times) if times else np.zeros(0),
        np.concatenate(rows) if rows else np.zeros((0, len(session.labels))),
        model=str(model) if isinstance(model, str | Path) else "",
        voice=voice_name,
    )


def _find_speech(source: Source, finder: TurnFinder) -> Iterator[_Speech]:
    for block in iter_blocks(source, silence=True):
        for turn in finder.find(block):
            yield _Speech(turn.start, turn.samples, "")
    turn = finder.finish()
    if turn is not None:
        yield _Speech(turn.start, turn.samples, "")


def _read_speech(source: Source, turns: Sequence[SpeakerTurn], seconds: float) -> Iterator[_Speech]:
    beyond = [turn for turn in turns if turn.end > seconds + 0.5]
    if beyond:
        raise ConfigError(
            f"{len(beyond)} of {len(turns)} turns end behind the recording, which has {seconds:.2f} s; the first is of "
            f"{beyond[0].speaker}, from {beyond[0].start:g} to {beyond[0].end:g} s: is it another recording's file?"
        )
    within = [turn for turn in sorted(turns) if turn.start < seconds]
    spans = [(turn.start, min(turn.end, seconds)) for turn in within]
    for turn, window in zip(within, stream_windows(source, spans, silence=True), strict=False):
        yield _Speech(round(window.start * SAMPLE_RATE), window.samples, turn.speaker)


def _fill_pauses(segments: Sequence[TimelineSegment], seconds: float) -> list[TimelineSegment]:
    """The segments, and those without speech where none is, of any length that rounding doesn't explain."""
    filled, end = [], 0.0
    for segment in sorted(segments, key=lambda item: (item.start, item.end)):
        if segment.start - end > 1e-3:
            filled.append(TimelineSegment(end, segment.start, speech=False))
        filled.append(segment)
        end = max(end, segment.end)
    if seconds - end > 1e-3:
        filled.append(TimelineSegment(end, seconds, speech=False))
    return filled
