"""The most memory that a process has had."""

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def measure_peak_memory() -> int | None:
    """The largest resident set of this process in MiB; None where the system doesn't tell it."""
    if _STATUS.is_file():  # Linux, whose `ru_maxrss` begins with that of the program which started this one
        _, key, rest = _STATUS.read_text().partition("VmHWM:")
        if key:
            return int(rest.split()[0]) // 1024
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 2**20
