"""Peak memory is this program's own, in one unit on each system."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ser_tl.runtime import peak_memory
from ser_tl.runtime.peak_memory import measure_peak_memory

pytest.importorskip("resource", reason="Windows has no such figure")


def test_it_grows_with_what_is_held():
    held = np.ones(2**26)
    assert measure_peak_memory() >= held.nbytes >> 20


@pytest.mark.skipif(not peak_memory._STATUS.is_file(), reason="Linux")
def test_it_is_not_that_of_the_program_which_started_it():
    held = np.ones(2**24)
    code = f"import runpy; print(runpy.run_path({peak_memory.__file__!r})['measure_peak_memory']())"
    child = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert int(child.stdout) < held.nbytes >> 20


@pytest.mark.parametrize(("platform", "given"), [("darwin", 300 * 2**20), ("freebsd14", 300 * 2**10)])
def test_other_systems_have_units_of_their_own(platform, given, monkeypatch, tmp_path):
    monkeypatch.setattr(peak_memory, "_STATUS", tmp_path / "none")
    monkeypatch.setattr(sys, "platform", platform)
    usage = SimpleNamespace(RUSAGE_SELF=0, getrusage=lambda _: SimpleNamespace(ru_maxrss=given))
    monkeypatch.setitem(sys.modules, "resource", usage)
    assert measure_peak_memory() == 300


def test_a_system_that_tells_nothing_gives_none(monkeypatch, tmp_path):
    monkeypatch.setattr(peak_memory, "_STATUS", tmp_path / "none")
    monkeypatch.setitem(sys.modules, "resource", None)
    assert measure_peak_memory() is None
