"""Who works on what: a file with a heartbeat, which another worker takes over when its owner is gone.

    acquire(path) -> Lease, or None while somebody else has it; Heartbeat keeps it alive; release()

A lease saves work, it guards nothing: two workers that compute one shard write the same bytes, and the first to publish
wins. That is why a file is enough, on any shared file system, and why clocks don't matter: an owner on this machine is
gone when its process is, another one when its heartbeat hasn't changed for `patience` seconds of the observer's clock.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BEAT_SECONDS = 5.0
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Owner:
    """A process.

    Args:
        token: random, of this lease
        host: name of its machine, and when that was started
        pid: its number there
        begun: when the process was started, as its system counts; numbers are given again
        attempts: owners before it that were lost while they worked on the same thing
    """

    token: str
    host: str
    pid: int
    begun: str
    attempts: int = 0


@dataclass(frozen=True)
class Lease:
    """A lease that this process has.

    Args:
        path: its file
        owner: this process
    """

    path: Path
    owner: Owner

    def beat(self) -> None:
        """Shows that the owner is alive."""
        with suppress(FileNotFoundError):  # taken over while this process was suspended
            os.utime(self.path)

    def release(self) -> None:
        """Lets go."""
        if _read(self.path) == self.owner:
            self.path.unlink(missing_ok=True)


class Leases:
    """The leases that a worker asks for.

    Args:
        patience: seconds without a heartbeat after which an owner on another machine counts as gone
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self.patience = patience
        self._seen: dict[Path, tuple[float, float]] = {}  # heartbeat, and when it was first seen

    def acquire(self, path: Path) -> Lease | None:
        """A lease, or None while somebody else has it.

        Args:
            path: its file; the folder is made
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        attempts = 0
        while True:
            owner = Owner(secrets.token_hex(8), *identify_process(), attempts)
            try:
                handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
            except FileExistsError:
                gone = self._find_gone(path)
                if gone is None or not _remove(path, gone):
                    return None
                attempts = gone.attempts + 1
                continue
            try:
                os.write(handle, json.dumps(asdict(owner)).encode("utf-8"))
            except OSError:  # a full disk
                path.unlink(missing_ok=True)
                raise
            finally:
                os.close(handle)
            self._seen.pop(path, None)
            return Lease(path, owner)

    def _find_gone(self, path: Path) -> Owner | None:
        """The owner of a lease, if it is gone."""
        try:
            beat = path.stat().st_mtime
        except FileNotFoundError:
            return None  # released: the next look finds out
        owner = _read(path)
        if owner is not None and _is_here(owner):
            return None if is_alive(owner) else owner
        before, since = self._seen.get(path, (None, 0.0))
        if before != beat:
            self._seen[path] = (beat, time.monotonic())
            return None
        if time.monotonic() - since < self.patience:
            return None
        return owner or Owner("", "", 0, "")  # killed between making the file and writing it


class Heartbeat:
    """A thread that keeps a lease alive, and ends the process when whoever started it is gone.

    Args:
        orphaned: tells whether that is so
        seconds: between beats
    """

    def __init__(self, orphaned: Callable[[], bool] = lambda: False, seconds: float = BEAT_SECONDS) -> None:
        self.lease: Lease | None = None
        self._orphaned = orphaned
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        beat = time.monotonic()
        while not self._stop.wait(min(1.0, self._seconds)):
            if self._orphaned():
                os._exit(1)  # at once, as if it had been killed with its parent
            lease = self.lease
            if lease is not None and time.monotonic() - beat >= self._seconds:
                lease.beat()
                beat = time.monotonic()


def identify_process(pid: int | None = None) -> tuple[str, int, str]:
    """Host, number and start of a process: this one's if None."""
    pid = os.getpid() if pid is None else pid
    return _name_host(), pid, _find_start(pid) or ""


def is_alive(owner: Owner) -> bool:
    """Whether a process of this machine is there, and is the one that it was."""
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # another user's
    start = _find_start(owner.pid)
    return start is None or start == owner.begun


def read_owner(path: Path) -> Owner | None:
    """The owner that a lease's file names; None where there is none."""
    return _read(path)


def _is_here(owner: Owner) -> bool:
    return os.name == "posix" and owner.host == _name_host()


def _name_host() -> str:
    try:  # machines of a cluster may share their name, and a machine is another one after it was started again
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        boot += f"/{os.stat('/proc/self/ns/pid').st_ino}"  # noqa: PTH116 - containers count processes anew
    except OSError:
        boot = ""
    return f"{socket.gethostname()}/{boot}"


def _find_start(pid: int) -> str | None:
    """When a process was started, in the system's ticks; "gone" for one that ended and wasn't waited for."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    values = text.rpartition(")")[2].split()
    return "gone" if values[0] in "ZX" else values[19]


def _read(path: Path) -> Owner | None:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return Owner(**content)
    except (OSError, ValueError, TypeError):
        return None


def _remove(path: Path, owner: Owner) -> bool:
    """Takes a lost lease away; False where somebody else was quicker."""
    taken = path.with_name(f".{path.name}.{secrets.token_hex(4)}.gone")
    try:
        path.rename(taken)
    except OSError:
        return False
    now = _read(taken)
    if now is not None and now.token != owner.token:  # a new owner's, who came in between
        with suppress(OSError):
            taken.rename(path)
        return False
    taken.unlink(missing_ok=True)
    return True
