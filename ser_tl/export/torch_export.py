"""torch.export's program (.pt2): for torch without this package, for AOTInductor, and for converters that read it.

Graph -> torch.export -> model.pt2
"""

from pathlib import Path

import torch

from ser_tl.export.base import EXPORTERS, Exporter
from ser_tl.export.graph import Graph


@EXPORTERS.register("torch-export")
class TorchExport(Exporter):
    """A program of torch.export."""

    file = "model.pt2"
    runtime = "torch.export"
    tolerance = 1e-5

    def write(self, graph: Graph, path: Path) -> None:
        """Writes the program; its example inputs and stack traces stay out."""
        program = graph.program()
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)
            node.meta.pop("nn_module_stack", None)
            node.meta.pop("source_fn_stack", None)
        program.example_inputs = None
        torch.export.save(program, path)
