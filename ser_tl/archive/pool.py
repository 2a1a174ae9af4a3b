"""The local engine: as many processes as asked for, each a worker with one thread.

    run_pool(archive, workers) -> starts them, restarts those that are lost, tells how far they are

Processes are started by command, not forked or imported into: they have an environment of their own (threads, no GPU
context of the parent's), and whatever the calling program is, it isn't run again.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from ser_tl import errors
from ser_tl.archive.description import Archive
from ser_tl.archive.lease import PATIENCE_SECONDS
from ser_tl.archive.processes import REFUSED, start_process
from ser_tl.archive.status import Status, read_status
from ser_tl.errors import SerTlError, StorageError

LOST_IN_A_ROW = 12
"""Workers that may be lost without a shard being finished; each shard gets its clips tried one by one before."""

_POLL = 0.1  # seconds
_LOOKING = 20  # at most one in so many seconds goes into finding out how far everybody is


@dataclass(frozen=True)
class Team:
    """The processes of this machine among all.

    Args:
        workers: processes here
        rank: of this machine, or of this task of an array job
        world: how many machines or tasks there are
        device: where models in torch compute
        patience: seconds without heartbeat after which a worker on another machine counts as gone
    """

    workers: int = 1
    rank: int = 0
    world: int = 1
    device: str | None = None
    patience: float = PATIENCE_SECONDS


@dataclass
class _Crew:
    """Processes that run."""

    archive: Archive
    team: Team
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, index: int) -> None:
        """Starts a worker."""
        team = self.team
        command = ["work", str(self.archive.folder)]
        command += ["--index", str(team.rank * team.workers + index), "--workers", str(team.world * team.workers)]
        command += ["--patience", str(team.patience), "--parent", str(os.getpid())]
        command += [] if team.device is None else ["--device", team.device]
        command += ["--leave"] if team.world > 1 else []
        self.processes[index] = start_process(*command)

    def stop(self) -> None:
        """Ends all of them at once: their leases are taken over by whoever goes on."""
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def run_pool(archive: Archive, team: Team, on_progress: Callable[[Status], None] | None = None) -> None:
    """Computes all shards that are missing, or those of this machine's share and what others leave.

    Args:
        archive: whose shards
        team: the processes
        on_progress: called with the status of all workers

    Raises:
        SerTlError: what a worker raised
        StorageError: workers are lost again and again
    """
    crew = _Crew(archive, team)
    lost, finished, next_look = 0, _count_finished(archive), 0.0
    try:
        for index in range(team.workers):
            crew.start(index)
        while crew.processes:
            time.sleep(_POLL)
            if on_progress is not None and time.monotonic() > next_look:
                begin = time.monotonic()
                on_progress(read_status(archive))
                next_look = begin + max(1.0, _LOOKING * (time.monotonic() - begin))
            for index, process in list(crew.processes.items()):
                status = process.poll()
                if status is None:
                    continue
                output = _collect(process)
                del crew.processes[index]
                if status == 0:
                    continue
                if status == REFUSED:
                    _raise_error(output)
                now = _count_finished(archive)
                lost, finished = (lost + 1 if now == finished else 1), now
                if status > 0 or lost > LOST_IN_A_ROW:
                    raise StorageError(
                        f"{archive.folder}: a worker ended with status {status}"
                        f"{'' if status > 0 else f', and {lost} before it without finishing a shard'}: look at what it "
                        f"printed above, and at the machine's memory; start the same command again to go on"
                    )
                crew.start(index)
    finally:
        crew.stop()


def _count_finished(archive: Archive) -> int:
    return sum(1 for _ in (archive.folder / "shards").glob("*/part-*.parquet"))


def _collect(process: subprocess.Popen[bytes]) -> bytes:
    output, _ = process.communicate()
    return output


def _raise_error(output: bytes) -> None:
    """Raises a worker's error here."""
    for line in reversed(output.decode("utf-8", errors="replace").splitlines()):
        with suppress(ValueError, TypeError, KeyError):
            content = json.loads(line)
            kind = getattr(errors, content["kind"], SerTlError)
            raise kind(content["error"])
    raise SerTlError("a worker ended without saying why: look at what it printed above")
