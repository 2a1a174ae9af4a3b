"""An exported ONNX graph, computed by onnxruntime: numpy and onnxruntime, no torch.

    OnnxSession(FOLDER/model.onnx, manifest).run(waveform, lengths, wanted) -> Answers

onnxruntime 1.29 and later send telemetry from Linux and Windows unless that is switched off before they are imported:
whoever needs onnxruntime in this package takes it from `load_onnxruntime`, and nothing is ever sent.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.inference.exported_session import ExportedSession
from ser_tl.inference.manifest import Manifest

_ERRORS_ONLY = 3


def load_onnxruntime() -> ModuleType:
    """onnxruntime, its telemetry off.

    Raises:
        ConfigError: it isn't installed
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, when the library starts: a call afterwards is too late
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError(
            f"exported models are computed by onnxruntime, which can't be imported ({error}): pip install onnxruntime"
        ) from error
    return onnxruntime


class OnnxSession(ExportedSession):
    """An ONNX graph that can be asked.

    Args:
        graph: its file
        manifest: of its folder
        threads: that share one call; several processes or threads with one each do more than one call with several

    Raises:
        CheckpointError: onnxruntime can't load the graph
        ConfigError: onnxruntime isn't installed
    """

    batch_seconds = 4.0
    """Of audio in one call, up to which windows are cheaper together. Of the bundled model in INT8, CPU ms a window
    alone, 4 and 8 together: of 0.5 s 7.6, 4.5, 4.0; of 1 s 11.8, 7.8, 7.4; of 2 s 19.8, 20.9, 31.3."""

    def __init__(self, graph: Path, manifest: Manifest, threads: int = 1) -> None:
        super().__init__(manifest)
        self._session = open_graph_file(graph, manifest, threads)

    def compute(self, waveform: np.ndarray, lengths: np.ndarray, outputs: Sequence[str]) -> list[np.ndarray]:
        """The graph's outputs."""
        return self._session.run(list(outputs), {"waveform": waveform, "lengths": lengths})


def open_graph_file(graph: Path, manifest: Manifest, threads: int = 1) -> Any:  # noqa: ANN401 - InferenceSession
    """The file of a graph, ready to run.

    Args:
        graph: the file
        manifest: of its folder
        threads: that share one call

    Raises:
        CheckpointError: onnxruntime can't load the graph
        ConfigError: onnxruntime isn't installed
    """
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.enable_cpu_mem_arena = False  # it keeps what the longest batch so far needed
    if (manifest.quantization or {}).get("way") == "storage":  # weights become float32 once, and not in each call
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    try:
        return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of a dozen classes without a common root
        raise CheckpointError(
            f"{graph}: onnxruntime {onnxruntime.__version__} can't load it ({error}): update onnxruntime (the "
            f"graph was made beside {manifest.versions.get('onnxruntime', 'an unknown version')})"
        ) from error
