"""OpenVINO's own format: for Intel's CPUs, GPUs and NPUs, and computed in integers by NNCF's quantiser.

Graph -> ONNX -> openvino -> model.xml and model.bin [-> nncf -> the same in int8]

Nodes become integers by the trained weight that they hold, as in `export.quantize`: left to its own devices NNCF
quantises the product with mel filters too, which cost a model here 70 points of UAR.
"""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from ser_tl.errors import ConfigError, ExportError
from ser_tl.export.agreement import Judge, sample_corpus
from ser_tl.export.base import EXPORTERS, Exporter
from ser_tl.export.calibration import calibration_inputs, default_corpus, describe, refusal
from ser_tl.export.graph import Graph, signature, trained_weights
from ser_tl.export.onnx import Onnx
from ser_tl.export.parity import ANY_FINITE, check_parity, measure_parity
from ser_tl.export.signing import sign
from ser_tl.inference.exported_session import open_graph
from ser_tl.inference.manifest import Manifest
from ser_tl.inference.openvino_session import load_openvino
from ser_tl.inference.session import Session

if TYPE_CHECKING:
    from datasets import Dataset

_COMPUTE = ("MatMul", "Convolution", "GroupConvolution")
_CONSTANT_PATH = ("Reshape", "Convert")


@EXPORTERS.register("openvino")
class OpenVino(Exporter):
    """OpenVINO's intermediate representation."""

    file = "model.xml"
    companions = ("model.bin",)
    runtime = "openvino"
    tolerance = 1e-4
    packages = ("onnx", "onnxscript", "openvino")
    extra = "openvino"
    weights = ("float32", "float16", "int8")

    def write(self, graph: Graph, path: Path) -> None:
        """Writes the graph."""
        openvino = load_openvino()
        with TemporaryDirectory(prefix="ser_tl_openvino_") as name:
            onnx = Path(name) / Onnx.file
            exporter = Onnx()
            exporter.computes_kernels = False  # OpenVINO would store them again
            exporter.write(graph, onnx)
            model = openvino.Core().read_model(str(onnx))
            _save(model, path)

    def halve(self, path: Path) -> None:
        """Stores weights as float16, which are computed in float32."""
        _save(load_openvino().Core().read_model(str(path)), path, half=True)

    def quantize(
        self, folder: Path, manifest: Manifest, graph: Graph, model: Session, corpus: "Dataset | None"
    ) -> Manifest:
        """Quantises trained layers by NNCF, and keeps that if the answers agree with the model's."""
        nncf = load_nncf()
        openvino = load_openvino()
        sample = sample_corpus(default_corpus() if corpus is None else corpus, graph.model.known_speakers)
        path = folder / self.file
        plain = openvino.Core().read_model(str(path))
        chosen = set(trained_nodes(plain, trained_weights(graph)))
        if not chosen:
            raise ExportError("quantize int8: the graph has no trained linear or convolutional layer: leave it out")
        others = [node.get_friendly_name() for node in plain.get_ordered_ops()]
        inputs = calibration_inputs(sample.calibration)
        quantized = nncf.quantize(
            plain,
            nncf.Dataset(inputs, lambda pair: {"waveform": pair[0], "lengths": pair[1]}),
            subset_size=len(inputs),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=nncf.IgnoredScope(names=[name for name in others if name not in chosen], validate=False),
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                overflow_fix=nncf.OverflowFix.ENABLE  # seven bits: with eight, CPUs without VNNI overflow
            ),
        )
        _save(quantized, path)
        changed = replace(sign(manifest, self, folder), weights="int8", quantization={"way": "static"})
        session = open_graph(folder, changed)
        size = sum((folder / name).stat().st_size for name in changed.files)
        verdict = Judge(model, sample).judge("static", session, size)
        if not verdict.acceptable:
            raise ExportError(refusal([verdict]))
        rows = measure_parity(model, session)
        check_parity(rows, ANY_FINITE)
        return replace(
            changed,
            parity=rows,
            quantization=describe([verdict], sample),
            versions=manifest.versions | {"nncf": nncf.__version__},
        )


def load_nncf() -> Any:  # noqa: ANN401 - a module, imported where it is needed
    """NNCF, which sends nothing and says nothing that isn't an error.

    Raises:
        ConfigError: it isn't installed
    """
    load_openvino()
    try:
        import nncf
    except ImportError as error:
        raise ConfigError(
            f"quantize int8: OpenVINO's graphs are quantised by nncf, which can't be imported ({error}): pip install "
            f"'ser_tl[openvino]'"
        ) from error
    nncf.set_log_level(logging.ERROR)
    return nncf


def trained_nodes(model: Any, trained: set[bytes]) -> Iterator[str]:  # noqa: ANN401 - openvino.Model
    """Names of nodes that hold a trained weight; not of convolutions of the waveform itself.

    Args:
        model: of openvino
        trained: signatures of the weights
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() not in _COMPUTE:
            continue
        weight = constant_value(node.input_value(1).get_node())
        if weight is None or weight.ndim < 2:
            continue
        if node.get_type_name() == "MatMul":
            if weight.ndim != 2:
                continue
            rows = weight if node.get_attributes()["transpose_b"] else weight.T
        else:
            grouped = node.get_type_name() == "GroupConvolution"
            channels = weight.shape[2] if grouped else weight.shape[1]
            if channels == 1:  # the waveform, whose range no scale fits, and convolutions channel by channel
                continue
            rows = weight.reshape(-1, *weight.shape[2:]) if grouped else weight
        if signature(np.ascontiguousarray(rows)) in trained:
            yield node.get_friendly_name()


def constant_value(node: Any) -> np.ndarray | None:  # noqa: ANN401 - openvino.Node
    """The float values of a constant, behind nodes that only reshape it; None for anything else."""
    shape = list(node.get_output_shape(0)) if node.get_output_partial_shape(0).is_static else None
    while node.get_type_name() in _CONSTANT_PATH:
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant" or shape is None:
        return None
    return np.asarray(node.data, dtype=np.float32).reshape(shape)


def _save(model: Any, path: Path, *, half: bool = False) -> None:  # noqa: ANN401 - openvino.Model
    """Writes both files, without what they say of where they were made."""
    openvino = load_openvino()
    for name in ("conversion_parameters", "legacy_frontend", "is_python_api_used", "Runtime_version", "nncf"):
        with suppress(KeyError, RuntimeError):
            del model.get_rt_info()[name]
    with TemporaryDirectory(prefix="ser_tl_openvino_") as name:  # the old file may be what the model reads from
        target = Path(name) / path.name
        openvino.save_model(model, str(target), compress_to_fp16=half)
        for suffix in (".xml", ".bin"):
            path.with_suffix(suffix).write_bytes(target.with_suffix(suffix).read_bytes())
