"""An exported TensorFlow Lite graph, computed by LiteRT's interpreter: numpy and ai-edge-litert, no torch.

LitertSession(FOLDER/model.tflite, manifest).run(waveform, lengths, wanted) -> Answers
"""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.inference.exported_session import ExportedSession
from ser_tl.inference.manifest import Manifest


class LitertSession(ExportedSession):
    """A TensorFlow Lite graph that can be asked, one clip after another.

    Args:
        graph: its file
        manifest: of its folder
        threads: that share one call

    Raises:
        CheckpointError: LiteRT can't load the graph
        ConfigError: it isn't installed
    """

    def __init__(self, graph: Path, manifest: Manifest, threads: int = 1) -> None:
        super().__init__(manifest)
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise ConfigError(
                f"this export is computed by LiteRT, which can't be imported ({error}): pip install ai-edge-litert"
            ) from error
        try:
            self._interpreter = Interpreter(model_path=str(graph), num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise CheckpointError(
                f"{graph}: LiteRT can't load it ({error}): update ai-edge-litert, or export the model again"
            ) from error
        self._inputs = sorted(self._interpreter.get_input_details(), key=lambda detail: detail["name"])
        outputs = self._interpreter.get_signature_runner().get_output_details()
        order = sorted(outputs, key=lambda name: int(name.rpartition("_")[2]))  # output_10 behind output_9
        self._outputs = [outputs[name]["index"] for name in order]
        self._lock = threading.Lock()  # an interpreter holds the tensors of one call

    def compute(self, waveform: np.ndarray, lengths: np.ndarray, outputs: Sequence[str]) -> list[np.ndarray]:
        """The graph's outputs."""
        with self._lock:
            for detail, values in zip(self._inputs, (waveform, lengths), strict=True):
                self._interpreter.set_tensor(detail["index"], values.astype(detail["dtype"]))
            self._interpreter.invoke()
            values = [self._interpreter.get_tensor(index) for index in self._outputs]
        named = dict(zip(self.manifest.outputs, values, strict=True))
        return [named[name] for name in outputs]
