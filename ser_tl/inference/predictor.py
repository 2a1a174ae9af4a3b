"""Recordings in, predictions out: windows of all recordings batched by length, in flat memory.

    recordings -> windows -> batches of like length -> Session.run -> mean over each recording's windows -> Prediction

A recording's answer is the same in any company, and threads can share a predictor. Independent of torch and models.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.data.batch_plan import plan_batches
from ser_tl.data.decoding.streaming import Window
from ser_tl.errors import AudioError, ConfigError
from ser_tl.inference.embedding import stack_embeddings
from ser_tl.inference.enrolment import enrol_speaker
from ser_tl.inference.loop import order_values, run_batches
from ser_tl.inference.memory import release_freed_memory
from ser_tl.inference.pending import OpenRecording, QueuedWindow, finish_recordings, show_progress
from ser_tl.inference.prediction import Prediction
from ser_tl.inference.recordings import Recording, cut_recording, is_recording, name_recording
from ser_tl.inference.session import (
    OutputRequest,
    Session,
    check_coverage,
    find_calibration,
    find_enrolment,
    open_session,
)
from ser_tl.inference.speaker import Speaker
from ser_tl.inference.speaker_minimum import check_enough
from ser_tl.inference.windows import answer_window, pad
from ser_tl.modules.calibration import describe_calibration

if TYPE_CHECKING:
    from ser_tl.model import EmotionModel

_POOL_SECONDS = 600.0  # of audio that waits to be batched by length: 38 MB


class Predictor:
    """Predicts the emotion in recordings.

    Args:
        model: a model in torch; the folder of a saved or of an exported model; a name on a hub; the bundled model if
            None
        device: where a model in torch computes; a GPU if there is one
        batch_seconds: the most seconds of audio that go through the model at once, padding counted
        coverage: share of recordings whose emotion is to be in `Prediction.prediction_set`, for example 0.9; None
            gives no sets

    Examples:
        >>> import numpy as np
        >>> from ser_tl import Predictor
        >>> predictor = Predictor()
        >>> tone = 0.1 * np.sin(np.arange(16_000) / 10)
        >>> prediction = predictor.predict(tone, sampling_rate=16_000)[0]
        >>> prediction.label in predictor.labels
        True
        >>> predictor.predict(np.zeros(16_000))[0].speech
        False

    Raises:
        CheckpointError: there is no such model, or it is damaged
        ConfigError: a model in half precision; a coverage of a model that was never calibrated
    """

    def __init__(
        self,
        model: "EmotionModel | Session | str | Path | None" = None,
        *,
        device: str | None = None,
        batch_seconds: float = 60.0,
        coverage: float | None = None,
    ) -> None:
        self.session = open_session(model, device)
        check_coverage(self.session, coverage)
        self.coverage = coverage
        self.batch_seconds = batch_seconds

    @property
    def labels(self) -> list[str]:
        """The emotions, in the order of the probabilities."""
        return list(self.session.labels)

    @property
    def dimensions(self) -> list[str]:
        """The dimensions, in their order."""
        return list(self.session.dimensions)

    @property
    def calibration(self) -> str:
        """How probabilities were calibrated, in a line; or that they never were."""
        return describe_calibration(find_calibration(self.session), len(self.session.labels))

    def predict(
        self,
        recordings: Recording | Iterable[Recording],
        *,
        sampling_rate: int | None = None,
        embedding: bool = False,
        attention: bool = False,
        speaker_normalize: bool = False,
        speaker: Speaker | None = None,
        on_error: Literal["raise", "report"] = "raise",
        progress: bool = False,
    ) -> list[Prediction]:
        """The emotion in each recording.

        Recordings longer than `AudioConfig.max_seconds` are cut into windows as evaluation cuts them, and the windows'
        probabilities and dimensions are averaged. Silence has an answer of its own: no label, `speech` False.

        Args:
            recordings: any number of recordings (see `Recording`), or one
            sampling_rate: of arrays that don't bring their own, in Hz; 16 kHz if None
            embedding: also give the head's input
            attention: also give each frame's weight
            speaker_normalize: the recordings are all of one speaker, and their own mean and deviation take the place of
                the training speech's: what a model trained with `ModelConfig.statistics` expects
            speaker: whose recordings these are, from `enrol`, of a model that was trained for it
            on_error: `raise` ends with the first recording that can't be used; `report` gives it a `Prediction.error`
            progress: show a bar with the time that is left, on standard error

        Returns:
            One prediction a recording, in their order.

        Raises:
            AudioError: a recording can't be used
            ConfigError: attention of a pooling without; too little audio for statistics; another model's speaker
        """
        items: Iterable[Recording] = [recordings] if is_recording(recordings) else recordings
        if isinstance(items, Sequence) and not items:
            return []
        wanted = OutputRequest(embedding=embedding, attention=attention)
        if speaker_normalize and speaker is not None:
            raise ConfigError("speaker_normalize takes the recordings' own statistics, speaker an enrolled one's")
        if speaker_normalize:
            predictions = self._predict_speaker(list(items), sampling_rate, wanted, on_error)
        else:
            predictions = self.iterate(
                items, sampling_rate=sampling_rate, wanted=wanted, speaker=speaker, on_error=on_error
            )
        return list(show_progress(predictions, items) if progress else predictions)

    def embed(self, recordings: Recording | Iterable[Recording], **options: Any) -> np.ndarray:  # noqa: ANN401
        """The embedding of each recording: the head's input, the mean over the recording's windows.

        Args:
            recordings: any number of recordings, or one
            options: of `predict`: sampling_rate, speaker_normalize, on_error, progress

        Returns:
            (n, E) float32, in the recordings' order. A row is NaN where a recording is silent, and, with `on_error`
            report, where it can't be used.

        Raises:
            AudioError: a recording can't be used, or all are silent
            ConfigError: too little audio for a speaker's statistics
        """
        return stack_embeddings(self.predict(recordings, embedding=True, **options))

    def enrol(
        self,
        recordings: Recording | Iterable[Recording],
        *,
        labels: Sequence[str] | None = None,
        sampling_rate: int | None = None,
    ) -> Speaker:
        """A speaker, from one recording or more, best of several emotions, for `predict(..., speaker=...)`.

        Args:
            recordings: one or more, all of one speaker
            labels: the emotion in each, where known: what it explains of a clip isn't taken for the speaker's
            sampling_rate: as for `predict`

        Raises:
            AudioError: a recording can't be used, or there is speech in none
            ConfigError: the model wasn't trained for enrolled speakers, or doesn't have such labels
        """
        return enrol_speaker(self, recordings, labels, sampling_rate)

    def iterate(
        self,
        recordings: Iterable[Recording],
        *,
        sampling_rate: int | None = None,
        wanted: OutputRequest | None = None,
        speaker: Speaker | None = None,
        on_error: Literal["raise", "report"] = "raise",
        on_window: Callable[[int, Window], None] | None = None,
    ) -> Iterator[Prediction]:
        """The same, each prediction as soon as it and those before it are there.

        Args:
            recordings: any number of them; they are read as they are needed
            sampling_rate: as for `predict`
            wanted: what is asked for besides probabilities
            speaker: as for `predict`
            on_error: as for `predict`
            on_window: called with each window that is decoded, and the index of its recording
        """
        wanted = wanted or OutputRequest()
        self._check(recordings, wanted)
        norm = None if speaker is None else find_enrolment(self.session).speaker_norm(speaker)
        return self._iterate(recordings, sampling_rate, wanted, norm, on_error, on_window)

    def _check(self, recordings: object, wanted: OutputRequest) -> None:
        if not isinstance(recordings, Iterable):
            raise AudioError(f"recordings of type {type(recordings).__name__}: expected a recording, or several")
        if wanted.attention:
            self.session.check_attention()

    def _iterate(
        self,
        recordings: Iterable[Recording],
        sampling_rate: int | None,
        wanted: OutputRequest,
        norm: Any,  # noqa: ANN401 - the session's own
        on_error: str,
        on_window: Callable[[int, Window], None] | None,
    ) -> Iterator[Prediction]:
        pending: dict[int, OpenRecording] = {}
        pool: list[QueuedWindow] = []
        pooled = 0.0
        for number, item in enumerate(recordings):
            pending[number] = entry = OpenRecording(name_recording(item, number))
            for window in self._cut(item, entry, sampling_rate, on_error):
                if on_window is not None:
                    on_window(number, window)
                pool.append(QueuedWindow(number, window))
                pooled += len(window.samples) / SAMPLE_RATE
                if pooled >= _POOL_SECONDS:
                    self._compute(pool, pending, wanted, norm)
                    pooled = 0.0
                    release_freed_memory()
            if not pool:
                yield from finish_recordings(pending, self.session, self.coverage)
        self._compute(pool, pending, wanted, norm)
        yield from finish_recordings(pending, self.session, self.coverage)

    def _predict_speaker(
        self, recordings: list[Recording], sampling_rate: int | None, wanted: OutputRequest, on_error: str
    ) -> list[Prediction]:
        """Predictions of one speaker's recordings, normalised by their own statistics; all are held at once."""
        self._check(recordings, wanted)
        pending = {number: OpenRecording(name_recording(item, number)) for number, item in enumerate(recordings)}
        pool = [
            QueuedWindow(number, window)
            for number, item in enumerate(recordings)
            for window in self._cut(item, pending[number], sampling_rate, on_error)
        ]
        if getattr(self.session, "enrolment", None) is None:  # who was trained for few clips knows what they are worth
            check_enough(len(pool), sum(len(waiting.window.samples) for waiting in pool) / SAMPLE_RATE)
        norm = self.session.measure_norm([batch for _, batch in self._batches(pool)])
        self._compute(pool, pending, wanted, norm)
        return list(finish_recordings(pending, self.session, self.coverage))

    def _cut(self, item: Recording, entry: OpenRecording, sampling_rate: int | None, on_error: str) -> Iterator[Window]:
        """The windows of a recording, each counted as missing; an error in one of them is the recording's."""

        def plan_windows(seconds: float) -> list[tuple[float, float]]:
            entry.seconds = seconds
            return self.session.audio.segments(seconds)

        try:
            for window in cut_recording(item, plan_windows, sampling_rate):
                entry.missing += 1
                yield window
        except AudioError as error:
            if on_error == "raise":
                raise
            entry.error = str(error)
        entry.is_complete = True

    def _compute(
        self,
        pool: list[QueuedWindow],
        pending: dict[int, OpenRecording],
        wanted: OutputRequest,
        norm: Any = None,  # noqa: ANN401 - the session's own
    ) -> None:
        """Empties the pool: its windows get their answers, batched by length."""
        steps = run_batches(lambda batch: self.session.run(*batch, wanted, norm), self._batches(pool))
        rows = (
            (index, answer) for step in steps for index, answer in zip(step.indices, step.value.rows(), strict=True)
        )
        for (recording, window), answer in zip(pool, order_values(rows), strict=True):
            pending[recording].answered.append(answer_window(window, answer))
            pending[recording].missing -= 1
        pool.clear()

    def _batches(self, pool: Sequence[QueuedWindow]) -> Iterator[tuple[list[int], tuple[np.ndarray, np.ndarray]]]:
        plan = plan_batches([len(waiting.window.samples) / SAMPLE_RATE for waiting in pool], self.batch_seconds)
        for (indices,) in plan:
            if indices:
                yield indices, pad([pool[index].window.samples for index in indices])
