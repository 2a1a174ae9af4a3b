"""One export, from the model to the folder: recorded, written, checked, quantised where asked, kept.

model -> Graph -> Exporter.write -> parity with the model -> [quantised -> agreement on a corpus] -> folder
"""

import math
from copy import deepcopy
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.errors import ConfigError, ExportError
from ser_tl.export import aotinductor as _aotinductor  # noqa: F401 - registers itself, as do the others
from ser_tl.export import openvino as _openvino  # noqa: F401
from ser_tl.export import tensorrt as _tensorrt  # noqa: F401
from ser_tl.export import tflite as _tflite  # noqa: F401
from ser_tl.export import torch_export as _torch_export  # noqa: F401
from ser_tl.export import torchscript as _torchscript  # noqa: F401
from ser_tl.export.base import EXPORTERS, Exporter
from ser_tl.export.environment import find_python
from ser_tl.export.folder import replace_folder, write_companions
from ser_tl.export.graph import Graph, longest_input
from ser_tl.export.onnx import Onnx
from ser_tl.export.parity import check_parity, measure_parity
from ser_tl.export.signing import sign
from ser_tl.export.stitched import StitchedOnnx
from ser_tl.export.versions import installed_versions
from ser_tl.inference.manifest import Manifest
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
    python: str | Path | None = None,
    window: float | None = None,
) -> Manifest:
    """Exports a model, checks that the graph gives the same answers, and keeps both.

    Args:
        model: any that is trained; it stays as it is
        folder: a new one, or an export, which is replaced
        format: a name of `EXPORTERS`
        weights: how they are stored; `float16` halves the file and is computed in float32
        quantize: `int8` computes the trained layers in integers: a quarter of the size, two to three times as fast
        calibrate: a corpus on which activations are measured and answers compared; EMO-DB's bundled clips if None
        python: the interpreter, or the folder, of an environment that has the format's converter (tflite)
        window: seconds of each input, for formats of one length (tflite); `audio.max_seconds` if None

    Returns:
        What was written, with the differences that were measured.

    Raises:
        ExportError: the model can't be exported, or the graph gives other answers; nothing is left then
        ConfigError: options that don't go together, or packages that the format needs and that aren't installed
    """
    kind = EXPORTERS[format]
    if model.stitching is not None and kind is Onnx:
        kind = StitchedOnnx
    _check_options(kind, format, weights, quantize, python, window)
    exporter = kind(find_python(python) if kind.has_environment else None, _window_samples(kind, model, window))
    with replace_folder(Path(folder)) as scratch:
        graph = exporter.record(model)
        reference = TorchSession(model if model.device.type == "cpu" else deepcopy(model).cpu())
        exporter.write(graph, scratch / exporter.file)
        manifest = _describe(graph, exporter, scratch)
        if model.stitching is not None:
            manifest = replace(manifest, stitching=model.stitching.to_json())
        reference.audio = manifest.windows  # of one length, where the format has one
        manifest = _measure(exporter, manifest, reference, scratch, exporter.tolerance)
        if weights == "float16":
            exporter.halve(scratch / exporter.file)
            manifest = replace(sign(manifest, exporter, scratch), weights="float16")
            try:
                manifest = _measure(exporter, manifest, reference, scratch, HALF_TOLERANCE)
            except ExportError as error:
                raise ExportError(f"weights float16: {error}") from error
        if quantize is not None:
            manifest = exporter.quantize(scratch, manifest, graph, reference, calibrate)
        manifest = replace(manifest, use=exporter.describe_use(manifest))
        write_companions(scratch, model, manifest)
    return manifest


def _measure(
    exporter: Exporter, manifest: Manifest, reference: TorchSession, folder: Path, tolerance: float
) -> Manifest:
    """The manifest with the differences to the model, if they are within the tolerance."""
    session = exporter.open(folder, manifest)
    if session is None:  # a format that nothing here computes
        return manifest
    rows = measure_parity(reference, session)
    check_parity(rows, tolerance)
    return replace(manifest, parity=rows)


def _check_options(
    kind: type[Exporter],
    format: str,
    weights: str,
    quantize: str | None,
    python: str | Path | None,
    window: float | None,
) -> None:
    missing = [name for name in kind.packages if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"the format {format} needs {', '.join(missing)}, not installed here: pip install 'ser_tl[{kind.extra}]'"
        )
    for option, value in (("weights", weights), ("quantize", quantize)):
        if value is not None and value not in kind.weights:
            raise ConfigError(
                f"{option} {value}: the format {format} stores weights as {', '.join(kind.weights)}: take `format` "
                f"onnx, or leave it out"
            )
    if weights == "float16" and quantize is not None:
        raise ConfigError("weights float16 and quantize int8 exclude each other: leave one of them out")
    if python is not None and not kind.has_environment:
        raise ConfigError(f"python {python}: the format {format} is converted in this environment: leave it out")
    if window is not None and not kind.has_window:
        raise ConfigError(f"window {window:g}: the format {format} takes clips of any length: leave it out")


def _window_samples(kind: type[Exporter], model: EmotionModel, window: float | None) -> int | None:
    """Samples of a format's only input length, a multiple of the hop; None for a format of any length."""
    if not kind.has_window:
        return None
    seconds = model.audio.max_seconds if window is None else window
    samples = math.ceil(seconds * SAMPLE_RATE / HOP) * HOP
    longest = longest_input(model)
    if not SHORTEST <= samples <= longest:
        raise ConfigError(
            f"window {seconds:g}: expected {SHORTEST / SAMPLE_RATE:g} to {longest / SAMPLE_RATE:g} seconds, which this "
            f"model takes"
        )
    return samples


def _describe(graph: Graph, exporter: Exporter, folder: Path) -> Manifest:
    model = graph.model
    audio = asdict(model.audio)
    if exporter.window is not None:
        audio["max_seconds"] = min(audio["max_seconds"], exporter.window / SAMPLE_RATE)
    manifest = Manifest(
        graph=exporter.file,
        runtime=exporter.runtime,
        sha256="",
        labels=model.labels,
        dimensions=model.dimensions,
        outputs=graph.outputs,
        sample_rate=SAMPLE_RATE,
        hop=HOP,
        shortest=exporter.window or SHORTEST,
        longest=exporter.window or graph.longest,
        audio=audio,
        frame_rate=model.frame_rate,
        batching="any" if exporter.window is None else "alone",
        encoder={"name": model.encoder_name, "family": model.encoder.family, "pooling": model.pooling_name},
        known_speakers=model.known_speakers.as_json(),
        calibration=None if model.calibration is None else model.calibration.to_json(),
        versions=installed_versions(exporter.packages),
    )
    return sign(manifest, exporter, folder)
