"""Memory that is given back: how much of it, and nothing where the C library can't."""

import ctypes
import subprocess
import sys

import pytest

from ser_tl.inference import memory

HOLES = """
import ctypes
from ser_tl.inference.memory import release_freed_memory

def resident():
    (line,) = (line for line in open("/proc/self/status") if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024

ctypes.CDLL(None).mallopt(-3, 2**27)  # as the C library does by itself once large blocks were freed
blocks = [ctypes.create_string_buffer(1 << 20) for _ in range(200)]
for block in blocks:
    ctypes.memset(block, 1, 1 << 20)
full = resident()
del blocks[::2], block  # what is left in between holds the heap up
holes = resident()
print(release_freed_memory(), full - holes, full - resident())
"""


@pytest.mark.slow
@pytest.mark.skipif(memory._find_trim() is None, reason="this C library has no malloc_trim")
def test_holes_between_what_is_kept_are_given_back():
    ran = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    done, by_itself, released = ran.stdout.split()
    assert done == "True"
    assert float(by_itself) < 10
    assert float(released) > 90


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_nothing_is_called(monkeypatch, platform):
    monkeypatch.setattr(memory, "_find_trim", memory._find_trim.__wrapped__)
    monkeypatch.setattr(sys, "platform", platform)
    assert not memory.release_freed_memory()


def test_a_c_library_without_it_is_no_error(monkeypatch):
    monkeypatch.setattr(memory, "_find_trim", memory._find_trim.__wrapped__)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not memory.release_freed_memory()
