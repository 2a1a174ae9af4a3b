"""What a format is, and the table of formats."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ser_tl.errors import ConfigError
from ser_tl.export.graph import Graph
from ser_tl.inference.exported_session import ExportedSession, open_graph
from ser_tl.inference.manifest import Manifest
from ser_tl.inference.session import Session
from ser_tl.model import EmotionModel
from ser_tl.registry import Registry

if TYPE_CHECKING:
    from datasets import Dataset


class Exporter(ABC):
    """Writes a graph in one format.

    Args:
        python: the interpreter of an environment that has the format's converter; None where this one has
        window: samples of every input, for a format of one length; None for any length

    Attributes:
        file: name of the graph's file
        companions: names of other files that the graph needs
        runtime: what computes it, for `Manifest.runtime`
        tolerance: the largest difference of a probability to the model in torch
        packages: those that the format needs and that the core of ser_tl doesn't
        extra: of ser_tl, which installs them
        weights: how weights can be stored, the first by default
        has_environment: whether its converter runs in an environment of its own, `python`
        has_window: whether its graph takes one clip of one length alone, `window`
    """

    file: ClassVar[str]
    companions: ClassVar[tuple[str, ...]] = ()
    runtime: ClassVar[str]
    tolerance: ClassVar[float]
    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = "export"
    weights: ClassVar[tuple[str, ...]] = ("float32",)
    has_environment: ClassVar[bool] = False
    has_window: ClassVar[bool] = False

    def __init__(self, python: Path | None = None, window: int | None = None) -> None:
        self.python = python
        self.window = window

    @abstractmethod
    def write(self, graph: Graph, path: Path) -> None:
        """Writes the graph, weights in float32.

        Args:
            graph: in evaluation mode, on the CPU
            path: the file
        """

    def record(self, model: EmotionModel) -> Graph:
        """What is exported of a model."""
        return Graph(model)

    def open(self, folder: Path, manifest: Manifest) -> ExportedSession | None:
        """What computes the graph here, to check it; None where nothing can."""
        return open_graph(folder, manifest)

    def halve(self, path: Path) -> None:
        """Stores the graph's weights as float16."""
        raise ConfigError(f"weights float16: {path.name} stores float32: leave it out")

    def quantize(
        self,
        folder: Path,  # noqa: ARG002 - formats with int8 have all of them
        manifest: Manifest,
        graph: Graph,  # noqa: ARG002
        model: Session,  # noqa: ARG002
        corpus: "Dataset | None",  # noqa: ARG002
    ) -> Manifest:
        """Replaces a folder's float graph by one in int8 whose answers agree with the model's.

        Args:
            folder: holds the float graph
            manifest: of that
            graph: its source
            model: the model's session
            corpus: clips to measure activations and answers on; the bundled ones if None

        Returns:
            The manifest of the quantised graph.

        Raises:
            ExportError: the answers don't agree
        """
        raise ConfigError(f"quantize int8: {manifest.graph} stores float32: leave it out")

    def describe_use(self, manifest: Manifest) -> str:  # noqa: ARG002 - most graphs are used as they are
        """What is left to do with the graph where it runs, in Markdown; empty for nothing."""
        return ""


EXPORTERS: Registry[type[Exporter]] = Registry("export format", "ser_tl.exporters")
"""Formats by name; `ser-tl export --format` takes these."""
