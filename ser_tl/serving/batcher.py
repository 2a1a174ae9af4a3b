"""Windows of different requests go through the model together: those that wait already, never after a timer.

    Batcher.answer(session, windows) -> list[Answer], for any number of requests at once

One batch is computed at a time. While it is, requests queue; the next batch is the longest-waiting window and those of
like length beside it, of every request one before any gets a second. So a long recording doesn't hold up short ones,
and padding stays small. Windows whose request has ended are dropped before they are computed.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from ser_tl.data.audio import SAMPLE_RATE, Window
from ser_tl.inference.session import ClipOutput, OutputRequest, Session, find_batch_seconds
from ser_tl.inference.windows import pad

T = TypeVar("T")
_PLAIN = OutputRequest()

LENGTH_RATIO = 1.25
"""Windows go together if the longer is at most so many times the shorter: the rest would be padding."""


@dataclass(eq=False)
class _Job:
    """The windows of one recording that wait for their answers."""

    session: Session
    windows: Sequence[Window]
    future: "asyncio.Future[list[ClipOutput]]"
    wanted: OutputRequest
    answers: dict[int, ClipOutput]
    next: int = 0  # the first window that isn't in a batch yet

    @property
    def waits(self) -> bool:
        return not self.future.done() and self.next < len(self.windows)

    @property
    def length(self) -> int:
        return len(self.windows[self.next].samples)

    def goes_with(self, other: "_Job") -> bool:
        return self.session is other.session and self.wanted == other.wanted


_Batch = list[tuple[_Job, int]]


class Batcher:
    """Computes what is queued.

    Args:
        most: windows in a batch
        observe: is called with the size of each batch and the seconds that it took
    """

    def __init__(self, most: int, observe: Callable[[int, float], None]) -> None:
        self._most = most
        self._observe = observe
        self._jobs: deque[_Job] = deque()
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "inference")
        self._task: asyncio.Task[None] | None = None

    @property
    def queued(self) -> int:
        """Windows that wait."""
        return sum(len(job.windows) - job.next for job in self._jobs if job.waits)

    @property
    def alive(self) -> bool:
        """Whether batches are computed."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Begins to compute; within a running loop."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Ends when the batch that is being computed is done."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)

    async def answer(
        self, session: Session, windows: Sequence[Window], wanted: OutputRequest = _PLAIN
    ) -> list[ClipOutput]:
        """The model's answers for the windows of one recording, in their order. Cancelled, it leaves the queue.

        Args:
            session: the model
            windows: at least one
            wanted: what is asked for besides probabilities
        """
        job = _Job(session, windows, asyncio.get_running_loop().create_future(), wanted, {})
        self._jobs.append(job)
        self._wake.set()
        return await job.future

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """A function's value, computed between two batches: models compute one thing at a time.

        Args:
            function: is called in the thread that computes
            arguments: its arguments
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while batch := self._take():
                await self._compute(batch)

    def _take(self) -> _Batch:
        """The next batch; empty if nothing waits."""
        self._jobs = deque(job for job in self._jobs if job.waits)
        if not self._jobs:
            return []
        first, length = self._jobs[0], self._jobs[0].length
        most_samples = find_batch_seconds(first.session) * SAMPLE_RATE
        batch: _Batch = []
        grew = True
        while grew:
            grew = False
            for job in self._jobs:
                if len(batch) == self._most or (batch and (len(batch) + 1) * length > most_samples):
                    break
                if job.waits and job.goes_with(first) and _has_like_length(job.length, length):
                    batch.append((job, job.next))
                    job.next += 1
                    grew = True
        self._jobs.rotate(-1)
        return batch

    async def _compute(self, batch: _Batch) -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        try:
            answers = await loop.run_in_executor(self._thread, _run_session, batch)
        except Exception as error:  # whatever the model's runtime raises: the request's, not the server's
            if len(batch) > 1:  # only one of them may be at fault
                for item in batch:
                    await self._compute([item])
            elif not batch[0][0].future.done():
                batch[0][0].future.set_exception(error)
            return
        self._observe(len(batch), loop.time() - begin)
        for (job, index), answer in zip(batch, answers, strict=True):
            job.answers[index] = answer
            if len(job.answers) == len(job.windows) and not job.future.done():
                job.future.set_result([job.answers[number] for number in range(len(job.windows))])


def _run_session(batch: _Batch) -> list[ClipOutput]:
    waveform, lengths = pad([job.windows[index].samples for job, index in batch])
    first = batch[0][0]
    return list(first.session.run(waveform, lengths, first.wanted).rows())


def _has_like_length(first: int, second: int) -> bool:
    return max(first, second) <= LENGTH_RATIO * min(first, second)
