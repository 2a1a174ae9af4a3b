"""`python -m ser_tl`."""

import subprocess
import sys


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "ser_tl", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ser_tl ") or done.stdout.startswith("ser-tl ")
