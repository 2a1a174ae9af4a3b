"""bf16 where it was measured to be faster, and float32 where it wasn't."""

import pytest

from ser_tl.runtime import precision
from ser_tl.runtime.processes import build_accelerator, processes
from ser_tl.training import TrainConfig


@pytest.fixture(autouse=True)
def anew():
    precision._measured.cache_clear()
    yield
    precision._measured.cache_clear()


@pytest.mark.parametrize(("half", "expected"), [(0.5, "bf16"), (0.95, "no"), (3.0, "no")])
def test_bf16_has_to_be_faster_by_enough(monkeypatch, half, expected):
    monkeypatch.setattr(precision, "_time_layer", lambda *, enabled: half if enabled else 1.0)
    assert precision.fastest_precision(processes()) == expected
    assert build_accelerator(TrainConfig(precision="auto"), None).mixed_precision == expected


def test_it_is_measured_once(monkeypatch):
    measured = []
    monkeypatch.setattr(precision, "_time_layer", lambda *, enabled: measured.append(enabled) or 1.0)
    for _ in range(3):
        build_accelerator(TrainConfig(precision="auto"), None)
    assert measured == [False, True]


@pytest.mark.slow
def test_what_is_measured_takes_time_here():
    assert all(0 < precision._time_layer(enabled=enabled) < 30 for enabled in (False, True))
