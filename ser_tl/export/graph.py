"""The whole model as a graph: from samples to what a prediction needs, with both axes free.

    Graph(model): waveform (B, N), lengths (B,) -> probabilities (B, C), dimensions (B, K), embedding (B, E), ...
    Graph.program() -> torch.export's program, for any batch and any length

Knows no format.
"""

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.errors import ExportError, listing
from ser_tl.model import EmotionModel
from ser_tl.modules.graph import HOP, SHORTEST, shapes_found_anew, whole_lstm

MOST_CLIPS = 65_536
"""In a batch; torch.export wants a bound."""

FEWEST = 32_768
"""Numbers in a weight that is worth storing in int8 though it isn't computed so."""

_HEADS = ("model.head.", "model.dimension_head.")
_LONGEST = 30.0  # seconds at least that a graph takes, where the encoder does


class Graph(nn.Module):
    """What is exported of a model.

    Args:
        model: copied; its adapters are folded into the copy, which is in evaluation mode, on the CPU

    Attributes:
        outputs: names of what a prediction gets, in its order
        results: names of what comes out of this very graph; the same, but for the pieces of a stitched model
        longest: samples that go in at most

    Shape:
        waveform (B, N) at 16 kHz, N a multiple of `HOP` and at least `SHORTEST`, lengths (B,) samples
        -> probabilities (B, C), dimensions (B, K), embedding (B, E), speech (B,) seconds; without those that the model
        hasn't

    Raises:
        ExportError: the model can't be a graph; every reason is named
    """

    def __init__(self, model: EmotionModel) -> None:
        super().__init__()
        reasons = obstacles(model)
        if reasons:
            raise ExportError(f"the model can't be exported:\n{listing(reasons)}")
        self.model = plain_copy(model)
        gated = model.audio.gate != "none"
        names = {"probabilities": model.labels, "dimensions": model.dimensions, "embedding": True}
        names |= {"outlier": model.outliers is not None, "speech": gated}
        self.outputs = [name for name, there in names.items() if there]
        self.results = self.outputs
        self.longest = longest_input(model)
        self.eval()

    def forward(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        """The outputs."""
        output = self.model(waveform, lengths)
        named = {
            "probabilities": self.model.probabilities(output),
            "dimensions": output.dimensions,
            "embedding": output.embedding,
            "speech": output.speech,
        }
        if self.model.outliers is not None:
            named["outlier"] = self.model.outliers(output.embedding)
        return tuple(named[name] for name in self.outputs)

    def example(self) -> tuple[Tensor, Tensor]:
        """Inputs to record the graph with: two clips of three seconds, one of them shorter."""
        samples = min(150 * HOP, self.longest)
        waveform = 0.1 * torch.randn(2, samples, generator=torch.Generator().manual_seed(0))
        lengths = torch.tensor([samples, samples - 2000])
        return waveform * (torch.arange(samples) < lengths[:, None]), lengths

    def program(self) -> torch.export.ExportedProgram:
        """The graph as torch.export records it, both axes free.

        Raises:
            ExportError: torch.export can't record it
        """
        batch = torch.export.Dim("batch", min=1, max=MOST_CLIPS)
        hops = torch.export.Dim("hops", min=SHORTEST // HOP, max=self.longest // HOP)
        shapes: Any = {"waveform": {0: batch, 1: HOP * hops}, "lengths": {0: batch}}
        try:
            with shapes_found_anew():
                return torch.export.export(self, self.example(), dynamic_shapes=shapes, strict=False)
        except (RuntimeError, ValueError) as error:
            raise ExportError(
                f"torch.export can't record encoder {self.model.encoder.family} with network "
                f"{self.model.config.network} and pooling {self.model.pooling_name} for any batch and length: {error}"
            ) from error

    def save_program(self, path: Path, samples: int) -> None:
        """Writes the program of one clip of one length, in operations that other versions of torch and converters know.

        Args:
            path: a file that ends in .pt2
            samples: of the clip, zeros behind its end

        Raises:
            ExportError: torch.export can't record it
        """
        example = torch.zeros(1, samples), torch.tensor([samples])
        try:
            with torch.no_grad(), whole_lstm(), shapes_found_anew():
                program = torch.export.export(self, example, strict=False).run_decompositions()
        except (RuntimeError, ValueError) as error:
            raise ExportError(
                f"torch.export can't record encoder {self.model.encoder.family} with network "
                f"{self.model.config.network} and pooling {self.model.pooling_name} for one length: {error}"
            ) from error
        program.example_inputs = None
        torch.export.save(program, path)


def obstacles(model: EmotionModel) -> list[str]:
    """Why a model can't be exported, and what to do instead; empty if it can."""
    reasons = []
    if model.encoder.why_not_exportable:
        reasons.append(f"encoder {model.encoder.family}: {model.encoder.why_not_exportable}")
    if model.stitching is not None:
        reasons.append("it encodes clips in pieces (`ser-tl stitch`), which two graphs take: `format` onnx has them")
    if model.config.statistics != "training":
        way_out = "train with model.statistics training"
        if model.enrolment is not None:
            way_out = "export the model of one enrolled speaker (ser-tl enrol --personal FOLDER)"
        reasons.append(f"model.statistics is {model.config.statistics}: a graph takes no such statistics; {way_out}")
    halves = sorted({str(weights.dtype) for weights in model.parameters() if weights.is_floating_point()})
    if halves not in ([], ["torch.float32"]):
        reasons.append(f"weights are {', '.join(halves)}: call model.float(); `weights` says how they are stored")
    return reasons


def longest_input(model: EmotionModel) -> int:
    """Samples that a model's graph takes at most: a window, half a minute or what the encoder takes."""
    seconds = max(model.audio.max_seconds, _LONGEST)
    if model.encoder.max_seconds is not None:
        seconds = min(seconds, model.encoder.max_seconds)
    return math.ceil(seconds * SAMPLE_RATE / HOP) * HOP


def plain_copy(model: EmotionModel) -> EmotionModel:
    """The same model without adapters and parametrised weights: on the CPU, in evaluation mode, a copy."""
    from ser_tl.model.peft_state import merged_state

    copy = EmotionModel.from_description(model.description, Path("the model's own description"))
    copy.known_speakers = model.known_speakers
    copy.load_state_dict({name: tensor.detach().cpu() for name, tensor in merged_state(model).items()})
    for module in copy.modules():
        if parametrize.is_parametrized(module):
            names: Any = module.parametrizations
            for name in list(names):
                parametrize.remove_parametrizations(module, name)
    return copy.eval()


def trained_weights(graph: Graph) -> set[bytes]:
    """Signatures of the trained weights of layers that compute frames.

    Not of the heads: they compute a vector a clip, which takes no time, and whose channels are of sizes so different
    that a common scale cost a discriminant five points of UAR.
    """
    return {
        signature(parameter.detach().numpy())
        for name, parameter in graph.named_parameters()
        if parameter.ndim >= 2 and parameter.is_floating_point() and not name.startswith(_HEADS)
    }


def signature(weight: np.ndarray) -> bytes:
    """What a weight (outputs, ...) keeps when its rows and columns are scaled: how the signs in them differ.

    Folding the norm behind a layer into it scales rows, folding the one before it columns. Shape and scale leave no
    other trace in a graph: names are lost where a weight is turned or folded.
    """
    rows = weight.reshape(len(weight), -1)
    positive = rows > 0
    signs = positive ^ positive[:, :1]
    if len(rows) > 1:  # of a single row nothing would be left
        signs ^= signs[:1]
    return hashlib.sha256(np.packbits(signs).tobytes() + str(rows.shape).encode()).digest()


def stored_weights(graph: Graph) -> set[bytes]:
    """Signatures of all trained weights that are worth storing in int8."""
    return {
        signature(parameter.detach().numpy())
        for parameter in graph.parameters()
        if parameter.ndim >= 2 and parameter.is_floating_point() and parameter.numel() >= FEWEST
    }
