"""What all tests share: no network, one thread, and a feature cache of their own.

Tiny tensors on two threads are ten times slower than on one where the cores are busy: the threads spin while they wait.
"""

import os
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before huggingface_hub is imported: nothing here may need a network
os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, and for the programs that tests start

_cache = tempfile.TemporaryDirectory(prefix="ser_tl_cache_")  # the user's own stays as it is
os.environ["SER_TL_CACHE"] = _cache.name


def pytest_unconfigure():
    _cache.cleanup()
