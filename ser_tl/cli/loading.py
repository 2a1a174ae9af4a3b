"""Tries to import packages, in another process: a binary that doesn't fit may end the one that loads it.

    try_imports(names) --python -m ser_tl.cli.loading NAME ...--> Attempt of each name

A process that dies names its culprit by what it was trying; the rest is tried in a new one.
"""

import importlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ser_tl.dependencies import reason

SECONDS = 300.0
"""After which a process counts as hung."""


@dataclass(frozen=True)
class Attempt:
    """An attempt to import a module.

    Attributes:
        error: why it failed, in a line; None if it loads
        seconds: how long it took
    """

    error: str | None
    seconds: float = 0.0


def try_imports(names: Sequence[str]) -> dict[str, Attempt]:
    """Imports each module, whatever becomes of the others.

    Args:
        names: of modules, in order: what several need comes first, so that its time is its own
    """
    attempts: dict[str, Attempt] = {}
    while remaining := [name for name in names if name not in attempts]:
        output, end = _run(remaining)
        for line in output.splitlines():
            if line.startswith('{"module": '):  # what packages print themselves stands between
                values = json.loads(line)
                attempts[values["module"]] = Attempt(values["error"], values["seconds"])
        culprit = next((name for name in remaining if name not in attempts), None)
        if culprit is not None:
            attempts[culprit] = Attempt(f"{end} while it was imported")
    return attempts


def _run(names: list[str]) -> tuple[str, str]:
    """What a process that imports them all printed, and how it ended."""
    command = [sys.executable, "-m", "ser_tl.cli.loading", *names]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout or b""
        return output.decode(errors="replace") if isinstance(output, bytes) else output, f"no end after {SECONDS:g} s"
    if done.returncode < 0:
        return done.stdout, f"the process was ended by {signal.Signals(-done.returncode).name}"
    return done.stdout, f"the process ended with status {done.returncode}"


def _main(names: Sequence[str]) -> None:
    for name in names:
        begin, error = time.perf_counter(), None
        try:
            importlib.import_module(name)
        except Exception as failure:
            error = f"{type(failure).__name__}: {reason(failure)}"
            if name == "torchaudio":  # the others as ser_tl loads them
                importlib.import_module("ser_tl.audio_support")
        print(json.dumps({"module": name, "error": error, "seconds": time.perf_counter() - begin}), flush=True)


if __name__ == "__main__":
    _main(sys.argv[1:])
