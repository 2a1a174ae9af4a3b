"""What a format is, and the table of formats."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from ser_tl.export.graph import Graph
from ser_tl.registry import Registry


class Exporter(ABC):
    """Writes a graph in one format.

    Attributes:
        file: name of the graph's file
        runtime: what computes it, for `Manifest.runtime`
        tolerance: the largest difference of a probability to the model in torch
        packages: those that the format needs and that the core of ser_tl doesn't
        weights: how weights can be stored, the first by default
    """

    file: ClassVar[str]
    runtime: ClassVar[str]
    tolerance: ClassVar[float]
    packages: ClassVar[tuple[str, ...]] = ()
    weights: ClassVar[tuple[str, ...]] = ("float32",)

    @abstractmethod
    def write(self, graph: Graph, path: Path) -> None:
        """Writes the graph, weights in float32.

        Args:
            graph: in evaluation mode, on the CPU
            path: the file
        """


EXPORTERS: Registry[type[Exporter]] = Registry("export format", "ser_tl.exporters")
"""Formats by name; `ser-tl export --format` takes these."""
