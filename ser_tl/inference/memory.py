"""Memory that was freed, given back to the system.

The windows of ten hours come and go in a heap in which each leaves a small answer behind, so that the C library can
give less and less of what it holds back by itself.
"""

import ctypes
import sys
from collections.abc import Callable
from functools import cache


def release_freed_memory() -> bool:
    """Gives what this process has freed back to the system; some milliseconds. Returns whether there was any."""
    trim = _find_trim()
    return trim is not None and trim(0) == 1


@cache
def _find_trim() -> Callable[[int], int] | None:
    """The C library's malloc_trim; None where there is none (glibc has it)."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
