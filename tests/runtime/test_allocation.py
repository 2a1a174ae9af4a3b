"""Large blocks that were freed are used again, without the system's new pages."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

FAULTS = """
import resource, torch
from ser_tl.runtime.malloc import keep_freed_memory
kept = keep_freed_memory() if {keep} else None
for _ in range(10):  # until small holes are there for what is small
    torch.zeros(2**24)  # 64 MiB, with what is around it
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.zeros(2**24)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(*, keep):
    own = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    command = [sys.executable, "-c", FAULTS.format(keep=keep)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=own)
    told, faults = done.stdout.split()
    return told, int(faults)


@pytest.mark.exhaustive
@pytest.mark.skipif(sys.platform != "linux", reason="page faults are counted otherwise elsewhere")
def test_blocks_are_used_again():
    told, faults = page_faults(keep=True)
    if told == "False":
        pytest.skip("this C library takes no such advice")
    assert faults < 0.1 * page_faults(keep=False)[1]
