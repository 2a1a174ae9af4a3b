"""torchaudio, which may be installed and yet not load: its binaries fit some builds of torch only.

    torchaudio_failure() -> why it can't be loaded, or None     require_torchaudio(purpose) -> an error with the way out

Few things need it, and each imports it where it is used, after `require_torchaudio`. All others work without it.
"""

import importlib
from functools import cache
from importlib import metadata

from ser_tl.errors import DependencyError

TESTED = ("2.11.0", "2.11.0")
"""torch and torchaudio of requirements/*.txt, with which the package is tested and its figures were measured."""

PAIRS = (((2, 15), "2.11.1"), ((2, 11), "2.11.0"))
"""From which torch on which torchaudio fits, of the usual index' builds (docs/installation.md has what was tried).

torchaudio 2.11.1 needs a symbol that torch 2.11 lacks; 2.11.0 refuses another CUDA than 13.0, which torch 2.15 has.
"""


@cache
def torchaudio_failure() -> Exception | None:
    """Why torchaudio can't be loaded; None if it can. It is tried once in a process."""
    try:
        importlib.import_module("torchaudio")
    except Exception as error:  # OSError of the linker, ImportError, RuntimeError of a second registration ...
        return error
    return None


def require_torchaudio(purpose: str) -> None:
    """Refuses what needs torchaudio where it can't be loaded.

    Args:
        purpose: what needs it, for the message

    Raises:
        DependencyError: says which pair is installed, which one fits, and how to get it
    """
    failure = torchaudio_failure()
    if failure is not None:
        raise DependencyError(f"{purpose} needs torchaudio. {explain(failure)}") from failure


def explain(failure: Exception) -> str:
    """In a line: the installed pair, what fails, the pair that fits, and the way to it.

    Args:
        failure: of `torchaudio_failure`
    """
    torch, torchaudio = installed_version("torch"), installed_version("torchaudio")
    if torchaudio is None:
        reason_text = f"It isn't installed beside torch {torch}"
    else:
        reason_text = f"torchaudio {torchaudio} can't be loaded beside torch {torch} ({reason(failure)})"
    return f"{reason_text}: {mend(torch, torchaudio)}"


def reason(failure: BaseException) -> str:
    """The error at the bottom, in a line: torch wraps the linker's into one that names a file and no reason."""
    while failure.__cause__ is not None:
        failure = failure.__cause__
    return (str(failure).strip() or type(failure).__name__).splitlines()[0]


def mend(torch: str | None, torchaudio: str | None) -> str:
    """The pair that fits and the pip line that installs it.

    Args:
        torch: installed version; None if it isn't installed
        torchaudio: installed version; None if it isn't installed
    """
    tested = f"pip install --force-reinstall torch=={TESTED[0]} torchaudio=={TESTED[1]}"
    if torch is not None and "+" in torch:  # a build for the CPU or for another CUDA
        return (
            f"take torchaudio from where this build of torch came from (docs/installation.md), or the pair that is "
            f"tested, with CUDA: {tested}"
        )
    fits = next((audio for first, audio in PAIRS if torch is not None and _release(torch) >= first), None)
    if fits is not None and fits != torchaudio:
        return f"torchaudio {fits} fits it: pip install --no-deps torchaudio=={fits}"
    return f"torch {TESTED[0]} and torchaudio {TESTED[1]} fit each other: {tested}"


def installed_version(name: str) -> str | None:
    """The version of an installed distribution, without importing it; None if it isn't installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _release(version: str) -> tuple[int, ...]:
    """`2.11.0` -> (2, 11)."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
