"""malloc's thresholds: memory that a training frees stays with its process, on a CPU.

glibc gives large blocks back to the system as soon as they are freed, and gets them again, zeroed page by page, in the
next layer: a tenth of a step's time and more. Kept, they are used again; the process stays as large as at its peak. The
largest are still given back: they are few, and the holes that they leave would make that peak higher.
"""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
_KEPT = 2**27  # bytes of the largest block that is kept; a fine-tuned wav2vec2-base has hardly a larger one
_LARGEST = 2**31 - 1  # mallopt takes an int


def keep_freed_memory() -> bool:
    """Sets malloc's thresholds for this process, once. Returns whether the C library supports it (glibc does)."""
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    given = [(_MMAP_THRESHOLD, _KEPT), (_TRIM_THRESHOLD, _LARGEST)]
    return all(library.mallopt(option, value) == 1 for option, value in given)
