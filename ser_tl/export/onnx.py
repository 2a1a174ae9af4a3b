"""ONNX: one file for onnxruntime on any machine and in any language, for OpenVINO and for TensorRT.

Graph -> torch.export -> torch.onnx -> model.onnx, without source paths and stack traces
"""

import logging
import warnings
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ser_tl.errors import ExportError
from ser_tl.export.base import EXPORTERS, Exporter
from ser_tl.export.graph import Graph
from ser_tl.export.kernels import compute_kernels
from ser_tl.export.storage import store_as_half
from ser_tl.inference.manifest import Manifest
from ser_tl.inference.session import Session
from ser_tl.model import EmotionModel
from ser_tl.modules.graph import shapes_found_anew, whole_lstm

if TYPE_CHECKING:
    from datasets import Dataset

OPSET = 20

_OUTPUT = "output."  # before an output's name while the exporter works, whose nodes have names of operations

_MOST_BYTES = 2**31 - 2**24  # protobuf's limit, less what the graph itself takes


@EXPORTERS.register("onnx")
class Onnx(Exporter):
    """ONNX, opset 20."""

    file = "model.onnx"
    runtime = "onnxruntime"
    tolerance = 1e-4
    packages = ("onnx", "onnxscript", "onnxruntime")
    weights = ("float32", "float16", "int8")
    computes_kernels = True  # when it loads the graph, also in float64

    def write(self, graph: Graph, path: Path) -> None:
        """Writes the graph."""
        size = sum(tensor.numel() * tensor.element_size() for tensor in graph.state_dict().values())
        if size > _MOST_BYTES:
            raise ExportError(
                f"the model has {size / 2**30:.1f} GiB of weights, and an ONNX file holds 2: `format` torch-export"
            )
        with _quiet(), whole_lstm():
            write_program(graph.program(), path, ["waveform", "lengths"], graph.results)
        if self.computes_kernels:
            shrink(path, graph.model)

    def halve(self, path: Path) -> None:
        """Stores weights as float16 behind nodes that make them float32 again."""
        store_as_half(path)

    def quantize(
        self, folder: Path, manifest: Manifest, graph: Graph, model: Session, corpus: "Dataset | None"
    ) -> Manifest:
        """Tries the ways of `export.quantize` in their order."""
        from ser_tl.export.quantize import quantize_graph

        return quantize_graph(folder, manifest, graph, model, corpus)


def write_program(program: torch.export.ExportedProgram, path: Path, inputs: list[str], outputs: list[str]) -> None:
    """Writes a recorded program as an ONNX file.

    Args:
        program: from torch.export
        path: the file
        inputs: names of what goes in
        outputs: names of what comes out
    """
    import onnx

    with _quiet(), whole_lstm(), shapes_found_anew():
        # From the program and not from the module: the exporter would record that with other guards.
        exported: Any = torch.onnx.export(
            program,
            (),
            input_names=inputs,
            output_names=[f"{_OUTPUT}{name}" for name in outputs],
            opset_version=OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
        proto = exported.model_proto
    name_outputs(proto, outputs)
    strip(proto)
    fold_transposes(proto)
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())


def name_outputs(proto: Any, outputs: list[str]) -> None:  # noqa: ANN401 - onnx.ModelProto
    """Gives outputs their names, and other values that have one of these another: an embedding layer is `embedding`.

    Args:
        proto: changed in place; its outputs have `_OUTPUT` before their names
        outputs: names of what comes out
    """
    graph = proto.graph
    names = {name: f"{name}.inside" for name in outputs} | {f"{_OUTPUT}{name}": name for name in outputs}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*graph.initializer, *graph.output):
        value.name = names.get(value.name, value.name)


def shrink(path: Path, model: EmotionModel) -> None:
    """Takes out of a file what the runtime can compute when it loads it.

    Args:
        path: written anew
        model: what the graph was made of
    """
    import onnx

    proto = onnx.load(str(path))
    compute_kernels(proto, model)
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())


def strip(proto: Any) -> None:  # noqa: ANN401 - onnx.ModelProto, which is imported where it is needed
    """Takes out what a graph says of where it was made (paths, stack traces), and names its free axes.

    Args:
        proto: changed in place
    """
    graph = proto.graph
    for item in (proto, graph, *proto.functions, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    used = {node.domain for node in graph.node}
    imports = [entry for entry in proto.opset_import if entry.domain in used or not entry.domain]
    del proto.opset_import[:]
    proto.opset_import.extend(imports)
    del graph.value_info[:]  # shapes between nodes: runtimes infer them
    graph.name, proto.producer_name, proto.producer_version = "ser_tl", "ser_tl", ""
    for value in (*graph.input, *graph.output):
        axes = {0: "batch", 1: "frames" if value.name == "frames" else "samples"}
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
            if dimension.dim_param:
                dimension.dim_param = axes[axis]


def fold_transposes(proto: Any) -> None:  # noqa: ANN401 - onnx.ModelProto
    """Stores weights as they are multiplied by: the exporter leaves a node that turns those of large layers.

    Args:
        proto: changed in place
    """
    from onnx import numpy_helper

    graph = proto.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    used = Counter(name for node in graph.node for name in node.input)
    for node in [node for node in graph.node if node.op_type == "Transpose"]:
        weight = weights.get(node.input[0])
        if weight is not None and used[weight.name] == 1:
            order = next((list(attribute.ints) for attribute in node.attribute if attribute.name == "perm"), None)
            turned = np.ascontiguousarray(numpy_helper.to_array(weight).transpose(order))
            weight.CopyFrom(numpy_helper.from_array(turned, node.output[0]))
            graph.node.remove(node)


@contextmanager
def _quiet() -> Generator[None]:
    """Without the exporter's messages: the check reports what matters."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
