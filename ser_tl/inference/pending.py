"""Recordings on their way through a predictor: windows that wait for a batch, recordings that wait for windows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ser_tl.data.decoding.streaming import Window
from ser_tl.inference.bars import progress_bar
from ser_tl.inference.prediction import Prediction
from ser_tl.inference.session import Session
from ser_tl.inference.windows import PredictedWindow, join_windows


class QueuedWindow(NamedTuple):
    """A window that waits for its answer."""

    recording: int
    window: Window


@dataclass
class OpenRecording:
    """A recording whose windows aren't all answered."""

    source: str
    seconds: float = 0.0
    is_complete: bool = False  # whether it has been read to its end
    missing: int = 0
    error: str | None = None
    answered: list[PredictedWindow] = field(default_factory=list)


def finish_recordings(
    pending: dict[int, OpenRecording], session: Session, coverage: float | None
) -> Iterator[Prediction]:
    """The predictions of the first recordings that wait for nothing more, which are taken out.

    Args:
        pending: by their index among all recordings
        session: whose answers they have
        coverage: of prediction sets; None for none
    """
    for number in sorted(pending):
        entry = pending[number]
        if entry.missing or not entry.is_complete:
            return
        del pending[number]
        if entry.error is not None:
            yield Prediction("", {}, speech=False, seconds=entry.seconds, error=entry.error, source=entry.source)
        else:
            yield join_windows(entry.answered, session, seconds=entry.seconds, source=entry.source, coverage=coverage)


def show_progress(predictions: Iterable[Prediction], items: Iterable[object]) -> Iterable[Prediction]:
    """Shows a bar with the time that is left, on standard error."""
    return progress_bar(predictions, unit="recording", total=len(items) if isinstance(items, Sequence) else None)
