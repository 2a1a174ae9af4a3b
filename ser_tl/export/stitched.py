"""A stitched model in ONNX: a graph of one piece, and one of the frames of all pieces.

    model.onnx        waveform (B, N), lengths (B,) -> frames (B, T, W), counts (B,)
    classifier.onnx   frames (B, T, W), counts (B,) -> probabilities (B, C), embedding (B, E), ...

What stands between the two, which frames of which piece are kept, is `modules.stitching`, in numpy where it runs.
"""

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ser_tl.encoders.base import frames_mask
from ser_tl.export.graph import MOST_CLIPS, Graph
from ser_tl.export.onnx import Onnx, write_program
from ser_tl.inference.manifest import CLASSIFIER_FILE
from ser_tl.model import EmotionModel
from ser_tl.modules.graph import shapes_found_anew

_EXAMPLE = 60  # frames
_MOST_FRAMES = 65_536


class PieceGraph(Graph):
    """From a piece to frames that are ready to be pooled.

    Args:
        model: stitched

    Shape:
        waveform (B, N), lengths (B,) samples -> frames (B, T, W), counts (B,) of them that aren't padding
    """

    def __init__(self, model: EmotionModel) -> None:
        whole = deepcopy(model)  # which `Graph` makes plain, and which no longer cuts what it encodes
        whole.stitching = None
        super().__init__(whole)
        self.results = ["frames", "counts"]

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """The frames and their counts."""
        states, mask = self.model.encoder(waveform, lengths, self.model.layers)
        frames, mask = self.model.frames(self.model.normalize_states(states), mask)
        return frames, mask.sum(dim=1)


class ClassifierGraph(nn.Module):
    """From the frames of a window to what a prediction needs.

    Args:
        pieces: the other graph

    Shape:
        frames (B, T, W), counts (B,) -> the outputs of `Graph`
    """

    def __init__(self, pieces: PieceGraph) -> None:
        super().__init__()
        self.model, self.outputs, self.width = pieces.model, pieces.outputs, pieces.model.mix.out_dim
        self.eval()

    def forward(self, frames: Tensor, counts: Tensor) -> tuple[Tensor, ...]:
        """The outputs."""
        model = self.model
        output = model.classify(model.normalize_embedding(model.pooling(frames, frames_mask(counts, frames.shape[1]))))
        named = {"probabilities": model.probabilities(output), "embedding": output.embedding}
        if model.outliers is not None:
            named["outlier"] = model.outliers(output.embedding)
        return tuple(named[name] for name in self.outputs)

    def program(self) -> torch.export.ExportedProgram:
        """The graph, for any batch and any number of frames."""
        example = torch.randn(2, _EXAMPLE, self.width), torch.tensor([_EXAMPLE, _EXAMPLE - 10])
        batch = torch.export.Dim("batch", min=1, max=MOST_CLIPS)
        frames = torch.export.Dim("frames", min=2, max=_MOST_FRAMES)
        shapes: Any = {"frames": {0: batch, 1: frames}, "counts": {0: batch}}
        with torch.no_grad(), shapes_found_anew():
            return torch.export.export(self, example, dynamic_shapes=shapes, strict=False)


class StitchedOnnx(Onnx):
    """Two ONNX graphs; `export_model` takes it for `onnx` where the model is stitched."""

    companions = (CLASSIFIER_FILE,)

    def record(self, model: EmotionModel) -> Graph:
        """The graph of a piece."""
        return PieceGraph(model)

    def write(self, graph: Graph, path: Path) -> None:
        """Writes both graphs."""
        super().write(graph, path)
        if isinstance(graph, PieceGraph):
            classifier = ClassifierGraph(graph)
            write_program(
                classifier.program(), path.with_name(CLASSIFIER_FILE), ["frames", "counts"], classifier.outputs
            )
