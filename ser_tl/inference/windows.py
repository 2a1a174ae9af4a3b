"""The windows of one recording, joined to one prediction: the mean of their probabilities and dimensions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ser_tl.data.audio import SILENCE, Window
from ser_tl.inference.prediction import Prediction, Segment
from ser_tl.inference.session import ClipOutput, Session, find_calibration

_ROUNDING = 0.95
"""Of the shortest length: the gate of speech tells where speech ends to a few hundredths of a second."""


class PredictedWindow(NamedTuple):
    """A window of a recording.

    Attributes:
        start: seconds into the recording
        end: likewise
        speech: whether there is speech in it
        answer: the model's
    """

    start: float
    end: float
    speech: bool
    answer: ClipOutput


def answer_window(window: Window, answer: ClipOutput) -> PredictedWindow:
    """A window with its answer: without speech where nothing is audible, or the model's own gate found none.

    Args:
        window: of a recording
        answer: the model's
    """
    speech = is_audible(window.samples) and answer.speech != 0
    return PredictedWindow(window.start, window.end, speech, answer)


def is_audible(samples: np.ndarray) -> bool:
    """Whether anything in samples (N,), at least one, is louder than silence; without a copy, as `np.abs` makes one."""
    return bool(samples.max() > SILENCE or samples.min() < -SILENCE)


def join_windows(
    windows: Sequence[PredictedWindow], session: Session, *, seconds: float, source: str, coverage: float | None = None
) -> Prediction:
    """The prediction for a recording; for one without speech in any window, the answer to silence.

    Args:
        windows: all of its windows, in order; silent ones count as any other, as they do in evaluation
        session: whose answers they are
        seconds: the recording's length
        source: its name
        coverage: of its prediction set; None for none
    """
    if not any(window.speech for window in windows):
        return Prediction("", {}, speech=False, seconds=seconds, source=source)
    answers = [window.answer for window in windows]
    probabilities = _mean([answer.probabilities for answer in answers])
    embeddings = [answer.embedding for answer in answers if answer.embedding is not None]
    attention = [answer.attention for answer in answers if answer.attention is not None]
    members = find_members(probabilities, session, coverage)
    scores = [answer.outlier for answer in answers if answer.outlier is not None]
    outlier = float(np.mean(scores)) if scores else None
    unlike = _is_outlier(outlier, session)
    return Prediction(
        label=_label(probabilities, session),
        probabilities=_map_names(session.labels, probabilities),
        dimensions=_map_names(session.dimensions, _mean([answer.dimensions for answer in answers])),
        segments=[_segment(window, session) for window in windows],
        embedding=_mean(embeddings).astype(np.float32) if embeddings else None,
        attention=attention or None,
        frame_seconds=[
            window.start + np.arange(len(weights)) / session.frame_rate
            for window, weights in zip(windows, attention, strict=True)
        ]
        if attention
        else None,
        seconds=seconds,
        source=source,
        calibrated=find_calibration(session) is not None,
        prediction_set=members,
        abstained=len(members) > 1 or (bool(members) and unlike),
        outlier_score=outlier,
        unlike_training=unlike,
        too_short=_is_too_short(windows, session),
    )


def find_members(probabilities: np.ndarray, session: Session, coverage: float | None) -> tuple[str, ...]:
    """The emotions in a prediction set, likeliest first; empty where no coverage is asked for.

    Args:
        probabilities: (C,) of a recording
        session: whose they are; `check_coverage` has found it able
        coverage: share of recordings whose emotion is to be in their set
    """
    calibration = find_calibration(session)
    if coverage is None or calibration is None or calibration.sets is None:
        return ()
    inside = calibration.sets.members(probabilities, coverage)
    return tuple(session.labels[index] for index in np.argsort(-probabilities, kind="stable") if inside[index])


def _is_outlier(score: float | None, session: Session) -> bool:
    calibration = find_calibration(session)
    if score is None or calibration is None or calibration.outlier_threshold is None:
        return False
    return score > calibration.outlier_threshold


def _is_too_short(windows: Sequence[PredictedWindow], session: Session) -> bool:
    calibration = find_calibration(session)
    if calibration is None or calibration.shortest is None:
        return False
    seconds = sum(
        window.end - window.start if window.answer.speech is None else window.answer.speech for window in windows
    )
    return seconds < _ROUNDING * calibration.shortest


def _segment(window: PredictedWindow, session: Session) -> Segment:
    answer = window.answer
    if not window.speech:
        return Segment(window.start, window.end, "", {}, {}, speech=False)
    return Segment(
        window.start,
        window.end,
        _label(answer.probabilities, session),
        _map_names(session.labels, answer.probabilities),
        _map_names(session.dimensions, answer.dimensions),
        embedding=answer.embedding,
    )


def _label(probabilities: np.ndarray, session: Session) -> str:
    return session.labels[int(probabilities.argmax())] if session.labels else ""


def _map_names(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def _mean(rows: Sequence[np.ndarray]) -> np.ndarray:
    if len(rows) == 1:  # as of most recordings; ten times as fast
        return rows[0].astype(np.float64)
    return np.asarray(np.mean(rows, axis=0, dtype=np.float64))


def pad(clips: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Clips (N,) side by side, (B, N) float32 with zeros behind each end, and their lengths (B,)."""
    lengths = np.array([len(clip) for clip in clips], dtype=np.int64)
    waveform = np.zeros((len(clips), int(lengths.max())), dtype=np.float32)
    for row, clip in zip(waveform, clips, strict=True):
        row[: len(clip)] = clip
    return waveform, lengths
