"""A Python for programs that tests start, which has imported the large packages already.

    subprocess.run([forked_python(), "-m", "ser_tl.cli", "predict", ...])

instead of `sys.executable`. Fresh interpreters spend more time on importing torch and transformers than on what is
tested. The program behind this path (client.py) asks a server (server.py) for a fork of itself, hands over arguments,
folder, environment and open files, passes signals on, and ends as the fork ends. What the server has imported is
others' alone: a fork imports `ser_tl` itself, as a fresh interpreter does.

`sys.executable` is right where a test is about imports, about memory, about the process' own number, group, parent or
children, or where no torch is imported. Environment variables that imports read and that differ from the server's make
it a fresh interpreter by itself; SER_TL_FRESH_PROGRAMS=1 makes all of them so.
"""

import os
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
ADDRESS = "SER_TL_FORKED_PYTHON"
"""The environment variable with the server's name."""
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", ADDRESS)}
"""The server's: as it is when tests are collected, whatever the one that starts the server has changed."""


@cache
def can_fork() -> bool:
    """Whether this system has what the server is made of."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):  # another system than Linux, or an old or guarded one
        return False
    return Path("/proc/self/fd").is_dir()


def forked_python() -> str:
    """The path of the program; starts the server where none runs, and is `sys.executable` where none can."""
    if not can_fork() or os.environ.get("SER_TL_FRESH_PROGRAMS"):
        return sys.executable
    return _reach_server()[0]


@cache
def _reach_server() -> tuple[str, socket.socket | None, tempfile.TemporaryDirectory]:
    """The program's path, a connection that keeps the server alive, and the program's folder."""
    # One server for all of pytest's processes: those that xdist starts inherit the name from the one that starts them.
    address = os.environ.setdefault(ADDRESS, f"ser_tl_forked_{os.getpid()}_{time.time_ns()}")
    folder = tempfile.TemporaryDirectory(prefix="ser_tl_forked_")
    program = Path(folder.name) / "python"
    client = shlex.join([sys.executable, "-IS", str(HERE / "client.py"), address])
    program.write_text(f'#!/bin/sh\nexec {client} "$0" "$@"\n')
    program.chmod(0o700)
    log = Path(folder.name) / "log"
    started = None
    while (connection := _connect(address)) is None:
        if started is not None and started.poll() is not None:
            warnings.warn(f"the server of forked programs ended: {log.read_text()}", stacklevel=3)
            return sys.executable, None, folder
        started = started or _start(address, log)
        time.sleep(0.05)
    return str(program), connection, folder


def _connect(address: str) -> socket.socket | None:
    """A connection to the server of that name, if it runs; waits for its imports."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(f"\0{address}")  # a name without a file
        connection.sendall(bytes(4))  # a request of no length: we are here
        if connection.recv(1):
            return connection
    except OSError:  # none runs, or it ends
        pass
    connection.close()
    return None


def _start(address: str, log: Path) -> subprocess.Popen | None:
    """Starts a server, unless another process has done so or the last one hasn't ended."""
    with socket.socket(socket.AF_UNIX) as listener, log.open("wb") as file:
        try:
            listener.bind(f"\0{address}")
        except OSError:
            return None
        listener.listen(64)
        return subprocess.Popen(
            [sys.executable, str(HERE / "server.py"), str(listener.fileno())],
            pass_fds=[listener.fileno()],
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,  # Ctrl-C ends pytest, and its connection the server
        )
