"""An exported graph, asked by a predictor: what is the same whatever computes it.

    waveform (B, N), lengths (B,) -> zeros up to a multiple of the hop -> graph -> Answers

Subclasses compute: `onnx_session` by onnxruntime, `openvino_session` by OpenVINO, `litert_session` by LiteRT,
`program_session` by torch. Knows arrays alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ser_tl.errors import AudioError, ConfigError
from ser_tl.inference.manifest import MANIFEST_FILE, Manifest, read_manifest
from ser_tl.inference.session import OutputRequest, SessionOutput
from ser_tl.modules.calibration import Calibration
from ser_tl.modules.stitching import Stitching


class ExportedSession(ABC):
    """An exported model that can be asked; stateless, and shared by threads.

    Args:
        manifest: of its folder
    """

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.labels = list(manifest.labels)
        self.dimensions = list(manifest.dimensions)
        self.audio = manifest.windows
        self.frame_rate = manifest.frame_rate
        self.calibration = Calibration.from_json(manifest.calibration, len(self.labels), MANIFEST_FILE)

    @abstractmethod
    def compute(self, waveform: np.ndarray, lengths: np.ndarray, outputs: Sequence[str]) -> list[np.ndarray]:
        """The graph's outputs for clips padded as it expects them.

        Args:
            waveform: (B, N) float32
            lengths: (B,) int64
            outputs: names of those that are wanted
        """

    def run(self, waveform: np.ndarray, lengths: np.ndarray, wanted: OutputRequest, norm: Any = None) -> SessionOutput:  # noqa: ANN401
        """Answers for padded windows; see `Session`."""
        if norm is not None:
            self.measure_norm([])
        names = [name for name in self.manifest.outputs if name != "embedding" or wanted.embedding]
        if self.manifest.batching == "alone":
            rows = [
                self._compute(waveform[row : row + 1, :length], lengths[row : row + 1], names)
                for row, length in enumerate(lengths.tolist())
            ]
            results = [np.concatenate(rows_of_one) for rows_of_one in zip(*rows, strict=True)]
        else:
            results = self._compute(waveform, lengths, names)
        arrays = dict(zip(names, results, strict=True))
        nothing = np.zeros((len(lengths), 0), np.float32)
        return SessionOutput(
            arrays.get("probabilities", nothing),
            arrays.get("dimensions", nothing),
            arrays.get("embedding"),
            outlier=arrays.get("outlier"),
            speech=arrays.get("speech"),
        )

    def _compute(self, waveform: np.ndarray, lengths: np.ndarray, names: Sequence[str]) -> list[np.ndarray]:
        return self.compute(pad_to_hop(waveform, self.manifest), np.asarray(lengths, dtype=np.int64), names)

    def measure_norm(self, batches: Sequence[tuple[np.ndarray, np.ndarray]]) -> Any:  # noqa: ARG002, ANN401
        """Refuses: the graph holds the training speech's statistics and takes no others."""
        raise ConfigError(
            "speaker_normalize: an exported graph holds the training speech's statistics and takes no others: predict "
            "with the saved model (runs/NAME/model), or leave it out"
        )

    def check_attention(self) -> None:
        """Refuses: the graph gives no weights of frames."""
        raise ConfigError(
            "attention: an exported graph has no output for the weights of frames: predict with the saved model "
            "(runs/NAME/model), or leave it out"
        )


def pad_to_hop(waveform: np.ndarray, manifest: Manifest) -> np.ndarray:
    """Clips (B, N) float32 with zeros behind, so that N is what a graph takes.

    Raises:
        AudioError: they are longer than the graph takes
    """
    samples = waveform.shape[1]
    if samples > manifest.longest:
        raise AudioError(
            f"{samples} samples at once, and the exported graph takes {manifest.longest} at most "
            f"({manifest.longest / manifest.sample_rate:g} s): cut the recording into windows, as Predictor does"
        )
    count = max(manifest.shortest, -(-samples // manifest.hop) * manifest.hop)
    return np.pad(np.asarray(waveform, dtype=np.float32), ((0, 0), (0, count - samples)))


def open_exported(folder: Path, device: str | None = None) -> ExportedSession:
    """The session of an exported model's folder.

    Args:
        folder: with a manifest
        device: None or cpu

    Raises:
        CheckpointError: the folder is damaged, or of a newer version
        ConfigError: another device, or the runtime isn't installed
    """
    if device not in (None, "cpu"):
        raise ConfigError(
            f"device {device}: an exported model is computed on the CPU here: leave it out, or load the saved model "
            f"(runs/NAME/model) to compute in torch"
        )
    return open_graph(folder, read_manifest(folder))


def open_graph(folder: Path, manifest: Manifest) -> ExportedSession:
    """The session of a graph whose files have been checked.

    Raises:
        ConfigError: its runtime isn't installed, or unknown
    """
    if manifest.runtime == "onnxruntime":
        from ser_tl.inference.onnx_session import OnnxSession

        stitching = Stitching.from_json(manifest.stitching)
        if stitching is not None:
            from ser_tl.inference.stitched_session import StitchedOnnxSession

            return StitchedOnnxSession(folder / manifest.graph, manifest, stitching)
        return OnnxSession(folder / manifest.graph, manifest)
    if manifest.runtime == "openvino":
        from ser_tl.inference.openvino_session import OpenVinoSession

        return OpenVinoSession(folder / manifest.graph, manifest)
    if manifest.runtime == "litert":
        from ser_tl.inference.litert_session import LitertSession

        return LitertSession(folder / manifest.graph, manifest)
    if manifest.runtime in ("torch.export", "torch.aoti", "torch.jit"):
        from ser_tl.inference.program_session import ProgramSession

        return ProgramSession(folder / manifest.graph, manifest)
    raise ConfigError(
        f"{folder}: exported for {manifest.runtime}, which this version of ser_tl has no session for: update ser_tl, "
        f"or export the model with `format` onnx"
    )
