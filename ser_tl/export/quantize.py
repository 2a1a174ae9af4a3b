"""An ONNX graph computed in integers: tried from the fastest way to the safest, until answers agree with the model's.

    trained  on the ranges of a quantisation-aware training, if the model had one; else as static
    static   activations uint8 on a scale measured once, weights 7 bits of int8 with a scale an output channel
    dynamic  activations on a scale of each call, matrix products alone; convolutions' weights are only stored in int8
    storage  weights stored in int8, everything computed in float32

Nodes are chosen by the trained weight that they hold and never by their type: the product of a power spectrum with mel
filters spans eight decades, and in eight bits it cost 70 points of UAR where every figure of the quantiser looked fine.
"""

import io
import logging
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from ser_tl.errors import ExportError
from ser_tl.export.agreement import Judge, Sample, sample_corpus
from ser_tl.export.calibration import CalibrationReader, default_corpus, describe, refusal
from ser_tl.export.graph import FEWEST, Graph, signature, stored_weights, trained_weights
from ser_tl.export.onnx import shrink, strip
from ser_tl.export.parity import ANY_FINITE, check_parity, measure_parity
from ser_tl.export.storage import store_as_integers
from ser_tl.inference.exported_session import open_graph
from ser_tl.inference.manifest import Manifest, hash_file
from ser_tl.inference.onnx_session import load_onnxruntime
from ser_tl.inference.session import Session
from ser_tl.modules.stitching import Stitching

if TYPE_CHECKING:
    from datasets import Dataset

_STRIDE = 4  # calibration clips whose activations are in memory at once
_RECURRENT = ("LSTM", "GRU")  # their weights are trained ones in another order


def quantize_graph(
    folder: Path, manifest: Manifest, graph: Graph, model: Session, corpus: "Dataset | None"
) -> Manifest:
    """Replaces a folder's float graph by the first quantised one whose answers agree with the model's.

    Args:
        folder: holds the float graph
        manifest: of that
        graph: what it was made of
        model: the model's session
        corpus: clips to measure activations and answers on; the bundled ones if None

    Returns:
        The manifest of the quantised graph.

    Raises:
        ExportError: no way is good enough; the message has the loss of each
        ConfigError: too few clips
    """
    sample = sample_corpus(default_corpus() if corpus is None else corpus, graph.model.known_speakers)
    sample = sample.in_pieces(Stitching.from_json(manifest.stitching))
    judge, tried = Judge(model, sample), []
    trained, stored = trained_weights(graph), stored_weights(graph)
    with TemporaryDirectory(prefix="ser_tl_int8_") as name:
        plain = preprocess(folder / manifest.graph, Path(name))
        for companion in manifest.companions:
            shutil.copyfile(folder / companion, Path(name) / companion)
        kinds = {node.op_type for node, _ in trained_nodes(_load(plain), trained)}
        if not kinds:
            raise ExportError("quantize int8: the graph has no trained linear or convolutional layer: leave it out")
        ranges = input_ranges(graph)
        ways = {"trained": partial(quantize_trained, ranges=ranges)} | WAYS if ranges else WAYS
        for way, quantize in ways.items():
            if way == "dynamic" and kinds == {"Conv"}:
                continue  # it would only be stored, and computed clip by clip
            path = Path(name) / manifest.graph
            with quiet():
                quantize(plain, path, trained, sample)
            finish(path, stored)
            shrink(path, graph.model)
            batching = "alone" if way == "dynamic" else "any"
            quantized = replace(
                manifest, sha256=hash_file(path), weights="int8", batching=batching, quantization={"way": way}
            )
            session = open_graph(path.parent, quantized)
            verdict = judge.judge(way, session, path.stat().st_size)
            tried.append(verdict)
            if verdict.acceptable:
                rows = measure_parity(model, session)
                check_parity(rows, ANY_FINITE)
                (folder / manifest.graph).write_bytes(path.read_bytes())
                return replace(quantized, parity=rows, quantization=describe(tried, sample))
    raise ExportError(refusal(tried))


def preprocess(path: Path, folder: Path) -> Path:
    """The graph with shapes inferred and norms folded into convolutions, as quantisers want it."""
    load_onnxruntime()
    from onnxruntime.quantization.shape_inference import quant_pre_process

    plain = folder / "plain.onnx"
    with quiet():
        quant_pre_process(str(path), str(plain), skip_symbolic_shape=True)
    return plain


def quantize_static(plain: Path, path: Path, trained: set[bytes], sample: Sample, **extra: Any) -> None:  # noqa: ANN401
    """Writes the graph with activations on scales measured once.

    Args:
        plain: the float graph
        path: the file
        trained: signatures of the weights whose nodes become integers
        sample: clips to measure activations on
        extra: further options of onnxruntime's quantiser
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as quantize

    reader: Any = CalibrationReader(sample, _STRIDE)  # as onnxruntime's CalibrationDataReader, which is imported late
    quantize(
        str(plain),
        str(path),
        reader,
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,  # int8 activations are half as fast on VNNI
        weight_type=QuantType.QInt8,
        reduce_range=True,  # seven bits: with eight, CPUs without VNNI overflow in silence (90.8 -> 84.7 of UAR)
        op_types_to_quantize=["Conv", "Gemm", "MatMul"],
        nodes_to_quantize=[node.name for node, _ in trained_nodes(_load(plain), trained)],
        calibrate_method=CalibrationMethod.Percentile,  # a few outliers would take the range from all others
        extra_options={"CalibPercentile": 99.99, "CalibStridedMinMax": _STRIDE, **extra},
    )


def quantize_trained(
    plain: Path, path: Path, trained: set[bytes], sample: Sample, *, ranges: dict[bytes, tuple[float, float]]
) -> None:
    """Writes the graph with inputs of layers on the ranges that a quantisation-aware training found.

    Outputs of matrix products stay in float32, as they were in the training; those of convolutions are measured.

    Args:
        plain: the float graph
        path: the file
        trained: signatures of the weights whose nodes become integers
        sample: clips to measure other activations on
        ranges: of the inputs, by the weights' signatures
    """
    overrides: dict[str, list[dict[str, np.ndarray]]] = {}
    for node, weight in trained_nodes(_load(plain), trained):
        limits = ranges.get(node_signature(node, weight))
        if limits is not None:
            low, high = (np.array(limit, dtype=np.float32) for limit in limits)
            overrides.setdefault(node.input[0], [{"rmin": low, "rmax": high}])
    exact = {"TensorQuantOverrides": overrides, "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]}
    quantize_static(plain, path, trained, sample, **exact)


def input_ranges(graph: Graph) -> dict[bytes, tuple[float, float]]:
    """Ranges of layers' inputs that a training found, by the signatures of the layers' weights.

    Raises:
        ExportError: the model lacks a layer that they name
    """
    ranges, weights = graph.model.activation_ranges, dict(graph.model.named_parameters())
    missing = [name for name in ranges if f"{name}.weight" not in weights]
    if missing:
        raise ExportError(
            f"quantize int8: the model's activation_ranges name {missing[0]}, which is no layer of it: they are of "
            f"another model; take them out of its config.json, or train it anew"
        )
    return {signature(weights[f"{name}.weight"].detach().numpy()): limits for name, limits in ranges.items()}


def quantize_dynamic(plain: Path, path: Path, trained: set[bytes], sample: Sample) -> None:  # noqa: ARG001
    """Writes the graph with the activations of matrix products on a scale of each call."""
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization import quantize_dynamic as quantize

    proto = _load(plain)
    chosen = {node.name for node, _ in trained_nodes(proto, trained)}
    others = [node for node in proto.graph.node if node.op_type in ("MatMul", "Gemm") and node.name not in chosen]
    quantize(
        str(plain),
        str(path),
        op_types_to_quantize=["MatMul"],  # Gemm becomes one; integer convolutions are slower than float ones
        per_channel=True,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=[name for node in others for name in (node.name, f"{node.name}_MatMul")],
        extra_options={"MatMulConstBOnly": True},
    )


def store_only(plain: Path, path: Path, trained: set[bytes], sample: Sample) -> None:  # noqa: ARG001
    """Writes the graph as it is: `finish` stores its weights."""
    path.write_bytes(plain.read_bytes())


Way = Callable[[Path, Path, set[bytes], Sample], None]
WAYS: dict[str, Way] = {"static": quantize_static, "dynamic": quantize_dynamic, "storage": store_only}
"""How a graph can be quantised, in the order in which it is tried."""


def finish(path: Path, stored: set[bytes]) -> None:
    """Stores large trained weights that are still in float32 as int8, and strips the graph."""
    import onnx

    proto = _load(path)
    axes = {}
    for node, weight in trained_nodes(proto, stored, raw=True):
        if np.prod(weight.dims) >= FEWEST:
            axes[weight.name] = _output_axis(node, len(weight.dims))
    store_as_integers(proto, axes)
    strip(proto)
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())


def trained_nodes(proto: Any, trained: set[bytes], *, raw: bool = False) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401
    """Nodes that hold a trained weight, with that weight.

    Args:
        proto: onnx.ModelProto
        trained: signatures
        raw: also convolutions of the waveform itself, whose range no scale fits, and recurrent networks; to be stored
    """
    from onnx import TensorProto, numpy_helper

    weights = {tensor.name: tensor for tensor in proto.graph.initializer if tensor.data_type == TensorProto.FLOAT}
    for node in proto.graph.node:
        if node.op_type in _RECURRENT and raw:
            yield from ((node, weights[name]) for name in node.input[1:3] if name in weights)
        if node.op_type not in ("Conv", "Gemm", "MatMul") or node.input[1] not in weights:
            continue
        weight = weights[node.input[1]]
        values = numpy_helper.to_array(weight)
        if values.ndim < 2 or (node.op_type == "Conv" and values.shape[1] == 1 and not raw):
            continue
        if node_signature(node, weight) in trained:
            yield node, weight


def node_signature(node: Any, weight: Any) -> bytes:  # noqa: ANN401 - onnx.NodeProto and TensorProto
    """The signature of a node's weight, as the layer has it."""
    from onnx import numpy_helper

    values = numpy_helper.to_array(weight)
    return signature(np.moveaxis(values, _output_axis(node, values.ndim), 0))


def _output_axis(node: Any, axes: int) -> int:  # noqa: ANN401 - onnx.NodeProto
    """The axis of a node's weight that has its outputs."""
    if node.op_type == "MatMul":
        return axes - 1
    if node.op_type == "Gemm":
        return 0 if any(attribute.name == "transB" and attribute.i for attribute in node.attribute) else 1
    return 1 if node.op_type in _RECURRENT else 0


def _load(path: Path) -> Any:  # noqa: ANN401 - onnx.ModelProto
    import onnx

    return onnx.load(str(path))


@contextmanager
def quiet() -> Generator[None]:
    """Without the quantiser's advice and remarks, which `preprocess` and the verdict have taken care of."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(level)
