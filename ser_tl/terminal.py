"""Standard output in any encoding, with readers that leave early, and how much is said beside it.

Light, since the command line imports it.
"""

import io
import logging
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


LOG_LEVELS = ("error", "warning", "info", "debug")

_LIBRARIES = {"transformers": "TRANSFORMERS", "datasets": "DATASETS", "huggingface_hub": "HF_HUB", "accelerate": ""}
_state = {"quiet": False}


def set_quiet(quiet: bool) -> None:
    """Sets whether progress is shown: bars, and a line an epoch. Results, warnings and errors always are."""
    _state["quiet"] = quiet


def is_quiet() -> bool:
    """Whether progress isn't to be shown."""
    return _state["quiet"]


def set_log_level(level: str) -> None:
    """Sets from which level on the libraries' own messages are shown.

    Args:
        level: one of `LOG_LEVELS`
    """
    logging.basicConfig(level=level.upper())
    for name, variable in _LIBRARIES.items():
        logging.getLogger(name).setLevel(level.upper())
        if variable:  # read by those that aren't imported yet
            os.environ[f"{variable}_VERBOSITY"] = level
