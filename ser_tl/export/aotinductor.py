"""An AOTInductor package (.pt2): compiled by torch ahead of time, for programs in Python or C++ that have libtorch.

Graph -> torch.export -> inductor and this machine's C++ compiler -> model.pt2
"""

import shutil
from pathlib import Path
from typing import Any

import torch

from ser_tl.errors import ConfigError, ExportError
from ser_tl.export.base import EXPORTERS, Exporter
from ser_tl.export.graph import Graph
from ser_tl.inference.manifest import Manifest

_COMPILERS = ("g++", "clang++", "c++")


@EXPORTERS.register("aotinductor")
class AotInductor(Exporter):
    """A package of compiled code and weights."""

    file = "model.pt2"
    runtime = "torch.aoti"
    tolerance = 1e-5

    def write(self, graph: Graph, path: Path) -> None:
        """Compiles the graph."""
        if not any(map(shutil.which, _COMPILERS)):
            raise ConfigError(
                f"the format aotinductor compiles C++, and none of {', '.join(_COMPILERS)} is here: install one "
                f"(apt-get install g++), or take `format` torch-export"
            )
        inductor: Any = torch._inductor
        try:
            with torch.no_grad():
                inductor.aoti_compile_and_package(graph.program(), package_path=str(path))
        except (RuntimeError, ValueError, AssertionError, TypeError) as error:
            raise ExportError(
                f"AOTInductor can't compile encoder {graph.model.encoder.family}: {str(error).splitlines()[0]}\nTake "
                f"`format` onnx or torch-export"
            ) from error

    def describe_use(self, manifest: Manifest) -> str:
        """Where it runs."""
        return (
            f"Compiled for this processor's instructions ({torch.backends.cpu.get_cpu_capability()}) and torch "
            f"{manifest.versions.get('torch', '')}: export it again for another machine."
        )
