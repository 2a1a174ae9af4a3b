"""`python -m ser_tl`."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "ser_tl", "--help"], capture_output=True, text=True, check=True)
    assert "ser-tl" in done.stdout
