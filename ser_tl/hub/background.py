"""Pushes that go on while something else is done, a training for example.

    start(save, message) -> a copy on disk --one thread, in order--> the hub        finish() -> what failed

A push that fails stops nothing: it is noted, and reported by `finish`. Each push has a copy of its own on disk, made
before `start` returns, so that what comes later can't change it.
"""

import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from safetensors import SafetensorError

from ser_tl.errors import SerTlError
from ser_tl.hub.base import PushResult
from ser_tl.hub.transfers import push_folder


class BackgroundPushes:
    """Pushes to one branch of one repository, one after the other.

    Args:
        repo: as for `push_folder`
        revision: the branch
        scratch: where copies lie until they are pushed; made, and deleted by `finish`
    """

    def __init__(self, repo: str, *, revision: str | None, scratch: Path) -> None:
        self.repo = repo
        self.revision = revision
        self.scratch = scratch
        self.failed: list[str] = []
        self._started = self._reported = 0
        self._running: list[tuple[str, Future[PushResult]]] = []
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="push")

    def start(self, save: Callable[[Path], None], message: str) -> None:
        """Queues a push.

        Args:
            save: writes the files into the folder it is given
            message: the commit's
        """
        self._started += 1
        copy = self.scratch / f"{self._started:04d}"
        try:
            save(copy)
        except (OSError, SafetensorError, SerTlError) as error:  # a full disk, for example
            self.failed.append(f"{message}: {error}")
            return
        self._running.append((message, self._pool.submit(self._push, copy, message)))

    def new_failures(self) -> list[str]:
        """What failed since the last call; waits for nothing."""
        self._collect()
        fresh, self._reported = self.failed[self._reported :], len(self.failed)
        return fresh

    def finish(self) -> list[str]:
        """Waits for all pushes.

        Returns:
            The message of each push that failed, and why.
        """
        self._pool.shutdown(wait=True)
        self._collect()
        shutil.rmtree(self.scratch, ignore_errors=True)
        return self.failed

    def _collect(self) -> None:
        for message, future in [pair for pair in self._running if pair[1].done()]:
            self._running.remove((message, future))
            error = future.exception()
            if error is not None:
                self.failed.append(f"{message}: {error}")

    def _push(self, copy: Path, message: str) -> PushResult:
        shown = not are_progress_bars_disabled()
        disable_progress_bars()  # they would be drawn over the training's own
        try:
            return push_folder(copy, self.repo, revision=self.revision, commit_message=message)
        finally:
            if shown:
                enable_progress_bars()
            shutil.rmtree(copy, ignore_errors=True)
