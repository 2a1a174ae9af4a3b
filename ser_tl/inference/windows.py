"""The windows of one recording, joined to one prediction: the mean of their probabilities and dimensions."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ser_tl.inference.prediction import Prediction, Segment
from ser_tl.inference.session import ClipOutput, Session, find_calibration


class PredictedWindow(NamedTuple):
    """A window of a recording.

    Attributes:
        start: seconds into the recording
        end: likewise
        speech: whether it isn't silent
        answer: the model's
    """

    start: float
    end: float
    speech: bool
    answer: ClipOutput


def join_windows(
    windows: Sequence[PredictedWindow], session: Session, *, seconds: float, source: str, coverage: float | None = None
) -> Prediction:
    """The prediction for a recording.

    Args:
        windows: all of its windows, in order; silent ones count as any other, as they do in evaluation
        session: whose answers they are
        seconds: the recording's length
        source: its name
        coverage: of its prediction set; None for none
    """
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
    return np.asarray(np.mean(rows, axis=0, dtype=np.float64))


def pad(clips: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Clips (N,) side by side, (B, N) float32 with zeros behind each end, and their lengths (B,)."""
    lengths = np.array([len(clip) for clip in clips], dtype=np.int64)
    waveform = np.zeros((len(clips), int(lengths.max())), dtype=np.float32)
    for row, clip in zip(waveform, clips, strict=True):
        row[: len(clip)] = clip
    return waveform, lengths
