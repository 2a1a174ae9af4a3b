"""A recording's way to its answer: cache, decoding, queue, model.

Service.predict(content, model, hold, deadline) -> Prediction

Independent of HTTP: the routes, the live stream and tests use it alike.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from ser_tl.inference import Prediction
from ser_tl.inference.session import OutputRequest, check_coverage
from ser_tl.inference.windows import answer_window, join_windows
from ser_tl.serving.admission import Admission, Hold
from ser_tl.serving.batcher import Batcher
from ser_tl.serving.cache import AnswerCache
from ser_tl.serving.decoding import Decoded, decode_upload
from ser_tl.serving.metrics import Metrics
from ser_tl.serving.models import ModelStore, ServedModel
from ser_tl.serving.settings import Settings
from ser_tl.serving.time_course import TimeCourse, has_attention, join_probabilities, join_weights, plan_windows

_LOOK = 0.05  # seconds between looks at whether streams have ended
_BRIEF = 1 << 20  # bytes, which are hashed in a millisecond
_DECODERS = 2  # threads: one may wait for memory while the other decodes; more than cores don't help


class Stream(Protocol):
    """A live stream, which can be asked to end."""

    def end(self) -> None:
        """Makes it take leave soon."""
        ...


class Service:
    """Answers for recordings.

    Args:
        settings: limits
        store: models
        metrics: what is counted

    Raises:
        ConfigError: prediction sets are asked of a model that was never calibrated
    """

    def __init__(self, settings: Settings, store: ModelStore, metrics: Metrics) -> None:
        for model in store.models:
            check_coverage(model.session, settings.coverage)
        self.settings = settings
        self.store = store
        self.metrics = metrics
        self.admission = Admission(settings.concurrency, round(settings.memory_mb * 1e6))
        self.batcher = Batcher(settings.batch_windows, metrics.observe_batch)
        self.streams: set[Stream] = set()
        self.draining = False  # no new requests are wanted: the process is about to end
        self._cache = AnswerCache(settings.cache_answers)
        self._decoders = ThreadPoolExecutor(_DECODERS, "decoding")

    @property
    def ready(self) -> bool:
        """Whether requests are wanted."""
        return self.batcher.alive and not self.draining

    def start(self) -> None:
        """Begins to compute; within a running loop."""
        self.batcher.start()

    async def end_streams(self) -> None:
        """Tells live streams that the server is ending, and waits until they have taken leave."""
        for stream in list(self.streams):
            stream.end()
        while self.streams:
            await asyncio.sleep(_LOOK)

    async def close(self) -> None:
        """Ends all threads."""
        await self.batcher.close()
        await asyncio.to_thread(self._decoders.shutdown)

    async def predict(self, content: bytes, model: ServedModel, hold: Hold, deadline: float) -> Prediction:
        """The emotion in one recording.

        Args:
            content: an encoded file
            model: who answers
            hold: the request's memory
            deadline: of `time.monotonic`; decoding ends there. Waiting is the caller's to end, by cancelling

        Raises:
            AudioError: the recording can't be used
            RequestError: it is too long, or there is no memory for it
        """
        loop = asyncio.get_running_loop()
        identity = model.name, model.version, content
        if len(content) < _BRIEF:  # a thread would take longer to get to it
            key = self._cache.key(*identity)
        else:
            key = await loop.run_in_executor(self._decoders, self._cache.key, *identity)
        if (cached := self._cache.find(key)) is not None:
            self.metrics.cache_hits.inc()
            return cached
        decoded = await self._decode(content, model.session.audio.segments, hold, deadline)
        prediction = await self._answer(decoded, model)
        self.metrics.audio_seconds.inc(decoded.seconds)
        self._cache.keep(key, prediction)
        return prediction

    async def trace(self, content: bytes, model: ServedModel, hold: Hold, deadline: float) -> TimeCourse:
        """What the answer for a recording is made of over time; computed anew each time.

        Args:
            content: an encoded file
            model: as for `predict`
            hold: likewise
            deadline: likewise

        Raises:
            AudioError: the recording can't be used
            RequestError: it is too long, or there is no memory for it
        """
        session = model.session
        if has_attention(session):
            decoded = await self._decode(content, session.audio.segments, hold, deadline)
            answers = await self.batcher.answer(session, decoded.windows, OutputRequest(attention=True))
            return join_weights(decoded.windows, answers, session.frame_rate, decoded.seconds)
        decoded = await self._decode(content, plan_windows, hold, deadline)
        answers = await self.batcher.answer(session, decoded.windows)
        return join_probabilities(decoded.windows, answers, session)

    async def _decode(
        self, content: bytes, plan: Callable[[float], list[tuple[float, float]]], hold: Hold, deadline: float
    ) -> Decoded:
        def decode() -> Decoded:
            if time.monotonic() > deadline:  # it waited for a thread while its client gave up
                raise TimeoutError
            longest = self.settings.audio_seconds
            return decode_upload(content, plan, longest=longest, deadline=deadline, reserve=hold.reserve)

        return await asyncio.get_running_loop().run_in_executor(self._decoders, decode)

    async def _answer(self, decoded: Decoded, model: ServedModel) -> Prediction:
        if not any(decoded.speech):  # there is nothing to ask the model about
            return Prediction("", {}, speech=False, seconds=decoded.seconds)
        answers = await self.batcher.answer(model.session, decoded.windows)
        answered = [answer_window(*both) for both in zip(decoded.windows, answers, strict=True)]
        coverage = self.settings.coverage
        return join_windows(answered, model.session, seconds=decoded.seconds, source="", coverage=coverage)
