"""How the processes of an archive are started: by command, with one thread, and with this very package.

start_process("work", FOLDER, ...) -> Popen
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ser_tl import errors

REFUSED = 3
"""Exit status after an error that no other try mends; its message is on standard output."""

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def start_process(*arguments: str, stdin: int | None = None) -> subprocess.Popen[bytes]:
    """Starts `python -m ser_tl.archive`, its standard output piped to us.

    Args:
        arguments: behind it
        stdin: as of `subprocess`
    """
    return subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "ser_tl.archive", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        env={
            **os.environ,
            **dict.fromkeys(_THREADS, "1"),
            "PYTHONPATH": _extend(os.environ.get("PYTHONPATH", "")),
        },
    )


def _extend(before: str) -> str:
    paths: Sequence[str] = [str(Path(errors.__file__).parents[1]), *filter(None, before.split(os.pathsep))]
    return os.pathsep.join(dict.fromkeys(paths))
