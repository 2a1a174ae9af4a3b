"""An exported graph in OpenVINO's format, computed by OpenVINO: numpy and openvino, no torch.

OpenVinoSession(FOLDER/model.xml, manifest).run(waveform, lengths, wanted) -> Answers

OpenVINO compiles a graph anew for each length that it meets, so clips are padded to multiples of half a second. Its
Python packages send statistics of their use; whoever needs them in this package takes them from `load_openvino`, and
nothing is ever sent.
"""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.inference.exported_session import ExportedSession
from ser_tl.inference.manifest import Manifest

STEP = 8_000
"""Samples of which the length of an input is a multiple."""


def load_openvino() -> ModuleType:
    """OpenVINO, with the statistics of its tools off.

    Raises:
        ConfigError: it isn't installed
    """
    os.environ.setdefault("NNCF_CI", "1")  # the one switch by which nncf leaves its telemetry out
    try:
        import openvino
    except ImportError as error:
        raise ConfigError(
            f"this export is computed by OpenVINO, which can't be imported ({error}): pip install openvino"
        ) from error
    return openvino


class OpenVinoSession(ExportedSession):
    """An OpenVINO graph that can be asked.

    Args:
        graph: its XML file; the weights lie beside it
        manifest: of its folder
        threads: that share one call

    Raises:
        CheckpointError: OpenVINO can't load the graph
        ConfigError: it isn't installed
    """

    def __init__(self, graph: Path, manifest: Manifest, threads: int = 1) -> None:
        super().__init__(manifest)
        openvino = load_openvino()
        options = {
            "INFERENCE_PRECISION_HINT": "f32",  # bfloat16 by default, where the processor has it
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            self._model = openvino.Core().compile_model(str(graph), "CPU", options)
        except RuntimeError as error:
            raise CheckpointError(
                f"{graph}: openvino {openvino.__version__} can't load it ({error}): update openvino (the graph was "
                f"made beside {manifest.versions.get('openvino', 'an unknown version')})"
            ) from error
        self._local = threading.local()

    def compute(self, waveform: np.ndarray, lengths: np.ndarray, outputs: Sequence[str]) -> list[np.ndarray]:
        """The graph's outputs."""
        samples = waveform.shape[1]
        target = min(-(-samples // STEP) * STEP, self.manifest.longest)
        waveform = np.pad(waveform, ((0, 0), (0, target - samples)))
        results = self._request().infer({"waveform": waveform, "lengths": lengths})
        named = {name: values for output, values in results.items() for name in output.get_names()}
        return [np.array(named[name]) for name in outputs]

    def _request(self) -> Any:  # noqa: ANN401 - openvino.InferRequest
        """This thread's own: a request computes one batch at a time."""
        if not hasattr(self._local, "request"):
            self._local.request = self._model.create_infer_request()
        return self._local.request
