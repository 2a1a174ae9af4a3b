"""Exports without the seconds that recording takes."""

import shutil

import pytest

from ser_tl.export import EXPORTERS
from tests.export.samples import calibrated_model, export_once


@pytest.fixture(scope="session")
def calibrated_export(tmp_path_factory):
    """The folder of `calibrated_model()` as ONNX; read it and leave it as it is."""
    return export_once(calibrated_model, "calibrated", tmp_path_factory)


@pytest.fixture
def recorded(exported, monkeypatch):
    """The ONNX exporter writes the sample model's graph, recorded before, whatever model it is given."""
    real = EXPORTERS["onnx"]

    class Recorded(real):
        def write(self, graph, path):
            shutil.copyfile(exported / "model.onnx", path)

    monkeypatch.setitem(EXPORTERS._entries, "onnx", Recorded)
