"""Standard output in any encoding, and with readers that leave early. Light, since the command line imports it."""

import io
import os
import sys
from contextlib import suppress


def escape_unprintable() -> None:
    """Lets standard output escape what its encoding lacks (cp1252 on Windows, names that aren't UTF-8), not fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def silence_output() -> None:
    """Keeps Python from complaining, when it ends, that standard output is closed."""
    with suppress(OSError, ValueError):  # no file: a test's, a notebook's
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
