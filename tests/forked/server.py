"""Imports the large packages once, and forks itself for each program that a client (client.py) asks for.

    python server.py LISTENER

LISTENER is the number of an open Unix socket. The server ends with the last connection of those that announced
themselves. A fork returns from `Server.serve` with its request, runs the program and ends as any
interpreter does: exit status, traceback, threads, atexit, Ctrl-C.

A fork is safe here as the server has one thread: OMP_NUM_THREADS is 1 in all tests (tests/conftest.py), and importing
starts none (the server checks).
"""

import atexit
import ctypes
import gc
import importlib
import io
import json
import logging
import os
import runpy
import selectors
import signal
import socket
import struct
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

LARGE = [
    *(
        "torch",
        "torch.distributed.run",
        "torch.distributed.tensor",
        "torch.distributed.fsdp",
        "torch.utils.tensorboard",
    ),
    *("transformers", "transformers.models.wav2vec2.modeling_wav2vec2", "transformers.models.wavlm.modeling_wavlm"),
    *("transformers.models.whisper.modeling_whisper", "transformers.models.hubert.modeling_hubert"),
    *("accelerate", "datasets", "evaluate", "peft", "huggingface_hub", "jsonargparse", "safetensors.torch", "yaml"),
    *("scipy.signal", "scipy.stats", "sklearn.discriminant_analysis", "sklearn.linear_model", "sklearn.metrics"),
    *("matplotlib.pyplot", "soundfile", "soxr", "tqdm"),
]
SAFE_THREADS = {"jemalloc_bg_thd"}
"""Threads which a fork is safe beside: pyarrow's allocator locks itself while one is made, and does without in it."""

INTERPRETER = sys.executable  # of fresh programs; a fork is told another
READ_BY_IMPORTS = ("HF_", "OMP_", "MKL_", "OPENBLAS_")
"""How environment variables begin that have their effect when a package is imported."""
LEVEL = "HF_HUB_VERBOSITY"
"""One of them that a fork follows by itself, as `ser_tl.cli.main` leaves it behind in a test's process."""

_CUDA_CHECK = (
    "PYTORCH_NVML_BASED_CUDA_CHECK"  # whether there is a GPU is asked without its driver, which can't be forked
)


@dataclass
class Request:
    """What a client asks for; `files` are numbers there, `received` the same files' numbers here."""

    python: str
    arguments: list[str]
    folder: str
    environment: dict[str, str]
    files: list[int]
    received: list[int]


@dataclass
class Program:
    """A fork that runs."""

    pid: int
    watch: int
    client: socket.socket


class Server:
    """Forks."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ)
        self.present: set[socket.socket] = set()
        self.programs: dict[socket.socket, Program] = {}
        self.own = dict(os.environ)

    def serve(self) -> Request | None:
        """Serves to the end and returns None; returns the request in each fork."""
        begun = False
        while self.present or not begun:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    request = self._accept()
                    if request is not None:
                        return request
                    begun = begun or bool(self.present)
                elif key.fileobj in self.present:
                    self.present.discard(key.fileobj)
                    self._close(key.fileobj)
                elif isinstance(key.data, Program) and key.data.client in self.programs:
                    self._look(key)
        for program in self.programs.values():
            os.kill(program.pid, signal.SIGKILL)
        return None

    def _accept(self) -> Request | None:
        client, _ = self.listener.accept()
        _, user, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if user != os.getuid():  # anybody here can connect to a name without a file
            client.close()
            return None
        try:
            head, files, _, _ = socket.recv_fds(client, 4, 64)
            content = b""
            while head and len(content) < int.from_bytes(head, "big"):
                more = client.recv(2**20)
                if not more:
                    head = b""
                content += more
        except OSError:
            head, files = b"", []
        if not head:  # it went before it had asked
            client.close()
            return None
        if not content:
            self.present.add(client)
            self.selector.register(client, selectors.EVENT_READ)
            client.sendall(b".")
            return None
        pid = os.fork()
        if not pid:
            self._leave(client)
            return Request(**json.loads(content), received=list(files))
        for file in files:
            os.close(file)
        program = Program(pid, os.pidfd_open(pid), client)
        self.programs[client] = program
        self.selector.register(client, selectors.EVENT_READ, program)
        self.selector.register(program.watch, selectors.EVENT_READ, program)
        return None

    def _look(self, key: selectors.SelectorKey) -> None:
        """Passes a signal on, or the end of a program or client."""
        program = key.data
        if key.fileobj is program.client:
            try:
                numbers = program.client.recv(16)
            except OSError:
                numbers = b""
            for number in numbers or [signal.SIGKILL]:  # a client that is gone was killed
                os.kill(program.pid, number)
            if numbers:
                return
        _, status = os.waitpid(program.pid, 0)
        self.selector.unregister(program.watch)
        os.close(program.watch)
        del self.programs[program.client]
        with suppress(OSError):
            program.client.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
        self._close(program.client)

    def _close(self, client: socket.socket) -> None:
        self.selector.unregister(client)
        client.close()

    def _leave(self, client: socket.socket) -> None:
        """Closes what is the server's, in a fork."""
        self.selector.close()
        for connection in (client, self.listener, *self.present, *self.programs):
            connection.close()
        for program in self.programs.values():
            os.close(program.watch)


def import_large() -> None:
    """Imports what takes long, and looks that nothing of it makes a fork unsafe."""
    for name in LARGE:
        importlib.import_module(name)
    own = [name for name in sys.modules if name.partition(".")[0] in ("ser_tl", "tests")]
    if own:
        raise RuntimeError(f"a fork is to import this itself: {own}")
    threads = {(task / "comm").read_text().strip() for task in Path(f"/proc/{os.getpid()}/task").iterdir()}
    if strange := threads - {Path("/proc/self/comm").read_text().strip(), *SAFE_THREADS}:
        raise RuntimeError(f"an import started a thread, which no fork would have: {strange}")
    gc.collect()
    gc.freeze()  # forks neither look through it nor copy it for that


def take_files(request: Request) -> None:
    """Gives the client's open files the numbers that they have there."""
    import fcntl

    above = max([*request.files, *request.received, 100]) + 1
    high = [fcntl.fcntl(file, fcntl.F_DUPFD, above) for file in request.received]
    for file in request.received:
        os.close(file)
    for file, number in zip(high, request.files, strict=True):
        os.dup2(file, number)
        os.close(file)


def open_streams(*, unbuffered: bool) -> None:
    """Opens the standard streams as an interpreter does that starts: the server's know that they were files."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        before, mode = getattr(sys, name), "r" if name == "stdin" else "w"
        try:
            buffering = 0 if unbuffered and mode == "w" else -1
            binary = open(number, f"{mode}b", buffering=buffering, closefd=False)  # noqa: SIM115
        except OSError:  # closed by who starts the program
            stream = None
        else:
            lines = name == "stderr" or binary.isatty()
            stream = io.TextIOWrapper(binary, before.encoding, before.errors, line_buffering=lines)
            stream.mode = mode
            if unbuffered and mode == "w":
                stream.reconfigure(write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def prepare(request: Request, server: Server) -> None:
    """Makes folder, environment, path and random state those of the program."""
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    changed = {
        name
        for name in server.own.keys() | request.environment.keys()
        if name.startswith(READ_BY_IMPORTS) and name != LEVEL and server.own.get(name) != request.environment.get(name)
    }
    if changed:  # packages read them when imported, which has been done: a fresh interpreter has to
        os.execve(INTERPRETER, [INTERPRETER, *request.arguments], request.environment)
    sys.path[:0] = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    with suppress(ValueError):  # no level: huggingface_hub takes its default then
        logging.getLogger("huggingface_hub").setLevel(os.environ.get(LEVEL, "warning").upper())
    os.environ.setdefault("PYTHON_EXEC", request.python)  # torchrun starts its ranks by it
    import numpy as np

    np.random.seed()  # all forks' would be the same


def run(arguments: list[str]) -> None:
    """Runs what stands behind `python`."""
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    while arguments[0] in ("-u", "-B", "-Xfrozen_modules=off"):
        unbuffered |= arguments.pop(0) == "-u"
    open_streams(unbuffered=unbuffered)
    if arguments[0] == "-m":
        sys.path.insert(0, str(Path.cwd()))
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    elif arguments[0] == "-c":
        sys.path.insert(0, "")
        sys.argv = ["-c", *arguments[2:]]
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(arguments[1], "<string>", "exec"), main.__dict__)
    elif arguments[0].startswith("-"):
        sys.exit(f"forked_python() doesn't know {arguments[0]}: use sys.executable")
    else:
        sys.path.insert(0, str(Path(arguments[0]).resolve().parent))
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def run_and_leave(arguments: list[str]) -> None:
    """Runs it, and ends as the interpreter does but for taking all modules apart, which is most of what a fork costs.

    What ends otherwise than with a number, as by an error, is left to the interpreter.
    """
    status = 0
    try:
        run(arguments)
    except SystemExit as ended:
        if ended.code is not None and ended.code not in range(256):
            raise
        status = int(ended.code or 0)
    threading._shutdown()  # waits for its threads
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):  # nobody reads it, or it is closed: the interpreter knows what to say
        sys.exit(status)
    ctypes.CDLL(None).fflush(None)  # what is written by C
    os._exit(status)


def main() -> None:
    """See the module."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    del sys.path[0]  # this file's folder
    os.environ.setdefault(_CUDA_CHECK, "1")
    import_large()
    server = Server(listener)
    request = server.serve()
    if request is not None:
        take_files(request)
        prepare(request, server)
        run_and_leave(request.arguments)


main()
