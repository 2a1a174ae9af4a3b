"""An exported stitched model, computed by onnxruntime: a graph of one piece, and one of the frames of all.

StitchedOnnxSession.run(waveform, lengths) -> pieces -> frames -> joined -> answers, for clips
.encode_frames(piece), .classify_frames(frames)    what a stream asks, so that each piece is encoded once
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ser_tl.inference.exported_session import pad_to_hop
from ser_tl.inference.manifest import CLASSIFIER_FILE, Manifest
from ser_tl.inference.onnx_session import OnnxSession, open_graph_file
from ser_tl.inference.session import SessionOutput
from ser_tl.inference.windows import pad
from ser_tl.modules.stitching import Stitching


class StitchedOnnxSession(OnnxSession):
    """Both graphs of a stitched model.

    Args:
        graph: the file of the graph of a piece; the other lies beside it
        manifest: of its folder
        stitching: the pieces
        threads: that share one call
    """

    def __init__(self, graph: Path, manifest: Manifest, stitching: Stitching, threads: int = 1) -> None:
        super().__init__(graph, manifest, threads)
        self.stitching = stitching
        self._classifier = open_graph_file(graph.with_name(CLASSIFIER_FILE), manifest, threads)

    def compute(self, waveform: np.ndarray, lengths: np.ndarray, outputs: Sequence[str]) -> list[np.ndarray]:
        """The outputs for clips, each in pieces."""
        clips = []
        for row, count in zip(waveform, lengths.tolist(), strict=True):
            pieces = self.stitching.plan_pieces(count)
            frames = self._encode([row[piece.begin : piece.stop] for piece in pieces])
            parts = [
                part[len(part) - self.stitching.count_frames(piece, len(part), self.frame_rate) :]
                for piece, part in zip(pieces, frames, strict=True)
            ]
            clips.append(np.concatenate(parts))
        return self._classify(clips, outputs)

    def encode_frames(self, samples: np.ndarray) -> np.ndarray:
        """The pooling's input of one piece; see `StitchedSession`."""
        return self._encode([samples])[0]

    def classify_frames(self, frames: np.ndarray) -> SessionOutput:
        """The answer for the frames of a window; see `StitchedSession`."""
        return SessionOutput(self._classify([frames], ["probabilities"])[0], np.zeros((1, 0), np.float32))

    def _encode(self, pieces: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Frames (T, W) of each piece (N,), all in one call."""
        waveform, lengths = pad(pieces)
        inputs = {"waveform": pad_to_hop(waveform, self.manifest), "lengths": lengths}
        frames, counts = self._session.run(["frames", "counts"], inputs)
        return [rows[:count] for rows, count in zip(frames, counts.tolist(), strict=True)]

    def _classify(self, clips: Sequence[np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
        """The outputs for the frames (T, W) of each clip."""
        counts = np.array([len(frames) for frames in clips], np.int64)
        padded = np.zeros((len(clips), max(2, counts.max()), clips[0].shape[1]), np.float32)
        for row, frames in zip(padded, clips, strict=True):
            row[: len(frames)] = frames
        return self._classifier.run(list(outputs), {"frames": padded, "counts": counts})
