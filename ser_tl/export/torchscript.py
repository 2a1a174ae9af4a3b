"""TorchScript (.pt): for programs in C++ that have libtorch, while torch has it.

Graph -> torch.jit.trace -> freeze -> model.pt
"""

import warnings
from pathlib import Path

import torch

from ser_tl.errors import ExportError
from ser_tl.export.base import EXPORTERS, Exporter
from ser_tl.export.graph import Graph


@EXPORTERS.register("torchscript")
class TorchScript(Exporter):
    """A traced and frozen module."""

    file = "model.pt"
    runtime = "torch.jit"
    tolerance = 1e-5

    def write(self, graph: Graph, path: Path) -> None:
        """Writes the module."""
        try:
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that it is deprecated, and of every shape that is looked at
                traced = torch.jit.trace(graph, graph.example(), check_trace=False)
                torch.jit.freeze(traced).save(path)
        except (RuntimeError, ValueError) as error:
            raise ExportError(
                f"torch.jit.trace can't record encoder {graph.model.encoder.family}: {error}\nTake `format` onnx or "
                f"torch-export"
            ) from error
