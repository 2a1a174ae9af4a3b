"""Large blocks that were freed are used again, without the system's new pages."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

FAULTS = """
import resource, torch
from ser_tl.runtime.malloc import keep_freed_memory
def page_faults():
    for _ in range(10):  # until small holes are there for what is small
        torch.zeros(2**24)  # 64 MiB, with what is around it
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.zeros(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(page_faults(), keep_freed_memory(), page_faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="page faults are counted otherwise elsewhere")
def test_blocks_are_used_again():
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True, env=own)
    before, kept, after = done.stdout.split()
    if kept == "False":
        pytest.skip("this C library takes no such advice")
    assert int(after) < 0.1 * int(before)
