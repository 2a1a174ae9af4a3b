"""One export, from the model to the folder: recorded, written, checked, quantised where asked, kept.

model -> Graph -> Exporter.write -> parity with the model -> [quantised -> agreement on a corpus] -> folder
"""

from copy import deepcopy
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.errors import ConfigError, ExportError
from ser_tl.export import onnx as _onnx  # noqa: F401 - registers itself, as do the others
from ser_tl.export import torch_export as _torch_export  # noqa: F401
from ser_tl.export import torchscript as _torchscript  # noqa: F401
from ser_tl.export.base import EXPORTERS, Exporter
from ser_tl.export.folder import replace_folder, write_companions
from ser_tl.export.graph import Graph
from ser_tl.export.parity import check_parity, measure_parity
from ser_tl.export.versions import installed_versions
from ser_tl.inference.exported_session import open_graph
from ser_tl.inference.manifest import Manifest, hash_file
from ser_tl.inference.torch_session import TorchSession
from ser_tl.model import EmotionModel
from ser_tl.modules.graph import HOP, SHORTEST

if TYPE_CHECKING:
    from datasets import Dataset

HALF_TOLERANCE = 0.01
"""Of a probability, where weights are stored in half precision."""


def export_model(
    model: EmotionModel,
    folder: str | Path,
    format: str = "onnx",
    *,
    weights: Literal["float32", "float16"] = "float32",
    quantize: Literal["int8"] | None = None,
    calibrate: "Dataset | None" = None,
) -> Manifest:
    """Exports a model, checks that the graph gives the same answers, and keeps both.

    Args:
        model: any that is trained; it stays as it is
        folder: a new one, or an export, which is replaced
        format: a name of `EXPORTERS`
        weights: how they are stored; `float16` halves the file and is computed in float32 (ONNX)
        quantize: `int8` computes the trained layers in integers (ONNX): a quarter of the size, two to three times as
            fast
        calibrate: a corpus on which activations are measured and answers compared; EMO-DB's bundled clips if None

    Returns:
        What was written, with the differences that were measured.

    Raises:
        ExportError: the model can't be exported, or the graph gives other answers; nothing is left then
        ConfigError: options that don't go together, or packages that the format needs and that aren't installed
    """
    exporter = EXPORTERS[format]()
    _check_options(exporter, format, weights, quantize)
    with replace_folder(Path(folder)) as scratch:
        graph = Graph(model)
        reference = TorchSession(model if model.device.type == "cpu" else deepcopy(model).cpu())
        exporter.write(graph, scratch / exporter.file)
        manifest = _describe(graph, exporter, scratch)
        rows = measure_parity(reference, open_graph(scratch, manifest))
        check_parity(rows, exporter.tolerance)
        manifest = replace(manifest, parity=rows)
        if weights == "float16":
            manifest = _halve(manifest, reference, scratch)
        if quantize is not None:
            from ser_tl.export.quantize import quantize_graph

            manifest = quantize_graph(scratch, manifest, graph, reference, calibrate)
        write_companions(scratch, model, manifest)
    return manifest


def _check_options(exporter: Exporter, format: str, weights: str, quantize: str | None) -> None:
    missing = [name for name in exporter.packages if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"the format {format} needs {', '.join(missing)}, not installed here: pip install 'ser_tl[export]'"
        )
    for option, value in (("weights", weights), ("quantize", quantize)):
        if value is not None and value not in exporter.weights:
            raise ConfigError(
                f"{option} {value}: the format {format} stores weights as {', '.join(exporter.weights)}: take `format` "
                f"onnx, or leave it out"
            )
    if weights == "float16" and quantize is not None:
        raise ConfigError("weights float16 and quantize int8 exclude each other: leave one of them out")


def _describe(graph: Graph, exporter: Exporter, folder: Path) -> Manifest:
    model = graph.model
    return Manifest(
        graph=exporter.file,
        runtime=exporter.runtime,
        sha256=hash_file(folder / exporter.file),
        labels=model.labels,
        dimensions=model.dimensions,
        outputs=graph.outputs,
        sample_rate=SAMPLE_RATE,
        hop=HOP,
        shortest=SHORTEST,
        longest=graph.longest,
        audio=asdict(model.audio),
        frame_rate=model.frame_rate,
        encoder={"name": model.encoder_name, "family": model.encoder.family, "pooling": model.pooling_name},
        known_speakers=model.known_speakers.as_json(),
        calibration=None if model.calibration is None else model.calibration.to_json(),
        versions=installed_versions(),
    )


def _halve(manifest: Manifest, reference: TorchSession, folder: Path) -> Manifest:
    """The graph with its weights in half precision, in the place of the other."""
    from ser_tl.export.storage import store_as_half

    path = folder / manifest.graph
    store_as_half(path)
    manifest = replace(manifest, sha256=hash_file(path), weights="float16")
    rows = measure_parity(reference, open_graph(folder, manifest))
    try:
        check_parity(rows, HALF_TOLERANCE)
    except ExportError as error:
        raise ExportError(f"weights float16: {error}") from error
    return replace(manifest, parity=rows)
