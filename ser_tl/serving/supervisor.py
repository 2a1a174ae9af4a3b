"""Worker processes on one port: starts, replaces, reloads and ends them."""

import logging
import multiprocessing
import os
import shutil
import signal
import socket
import tempfile
import time
from multiprocessing.process import BaseProcess
from typing import Any

from ser_tl.errors import CheckpointError
from ser_tl.serving.acceptor import Shares
from ser_tl.serving.logs import log_event
from ser_tl.serving.metrics import SHARED_FOLDER
from ser_tl.serving.server import FAILED_TO_LOAD, run_spawned_worker
from ser_tl.serving.settings import Settings

_LOOK = 0.2  # seconds between looks at the processes
_PAUSE = 1.0  # seconds before a dead process is replaced: one that dies at once mustn't take the machine
_GRACE = 5.0  # seconds beyond the workers' own limit for shutting down


class Supervisor:
    """Looks after worker processes.

    Args:
        settings: with their number
        port: which they share
    """

    def __init__(self, settings: Settings, port: socket.socket) -> None:
        self._settings = settings
        self._port = port
        self._context = multiprocessing.get_context("spawn")  # a fork would inherit torch's threads
        self._counts: Any = self._context.RawArray("i", settings.workers)
        self._processes: list[BaseProcess] = []
        self._ending = False

    def run(self) -> None:
        """Serves until SIGTERM or SIGINT.

        Raises:
            CheckpointError: a worker can't load its models
        """
        os.environ[SHARED_FOLDER] = folder = tempfile.mkdtemp(prefix="ser_tl_metrics_")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        signal.signal(signal.SIGHUP, self._pass_on)
        try:
            self._processes = [self._start(index) for index in range(self._settings.workers)]
            while not self._ending:
                time.sleep(_LOOK)
                self._replace_dead(folder)
        finally:
            self._stop()
            shutil.rmtree(folder, ignore_errors=True)

    def _start(self, index: int) -> BaseProcess:
        shares = Shares(self._counts, index)
        shares.leave()  # until it takes connections
        process = self._context.Process(target=run_spawned_worker, args=(self._settings, self._port, shares))
        process.start()
        return process

    def _replace_dead(self, folder: str) -> None:
        for index, process in enumerate(self._processes):
            if process.is_alive() or self._ending:
                continue
            if process.exitcode == FAILED_TO_LOAD:
                raise CheckpointError("a worker process can't load its models; its message is above")
            log_event("worker died", logging.ERROR, worker=process.pid, status=process.exitcode)
            Shares(self._counts, index).leave()
            _forget_gauges(process, folder)
            time.sleep(_PAUSE)
            self._processes[index] = self._start(index)

    def _pass_on(self, number: int, _: object) -> None:
        for process in self._processes:
            if process.is_alive() and process.pid is not None:
                os.kill(process.pid, number)

    def _end(self, *_: object) -> None:
        self._ending = True

    def _stop(self) -> None:
        self._pass_on(signal.SIGTERM, None)
        deadline = time.monotonic() + self._settings.shutdown_timeout + _GRACE
        for process in self._processes:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                log_event("worker killed", logging.ERROR, worker=process.pid)
                process.kill()
                process.join()


def _forget_gauges(process: BaseProcess, folder: str) -> None:
    """Takes a dead process' gauges out of the sum; its counters stay."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(process.pid, folder)
