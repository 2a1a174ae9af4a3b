"""ONNX for TensorRT: the graph, whether TensorRT's parser knows its operations, and the line that builds an engine.

Graph -> ONNX -> operations compared with the parser's list -> model.onnx, and trtexec's line in card and manifest

An engine is built on the GPU that it runs on, so none is built here, and nothing of TensorRT is run.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ser_tl.errors import ExportError, listing
from ser_tl.export.base import EXPORTERS
from ser_tl.export.graph import Graph
from ser_tl.export.onnx import OPSET, Onnx
from ser_tl.inference.manifest import Manifest

PARSER = "10.15"
"""Version of TensorRT whose parser's list of operations this is (docs/operators.md of onnx-tensorrt)."""

UNSUPPORTED = {
    *("AffineGrid", "Bernoulli", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "CenterCropPad"),
    *("Col2Im", "Compress", "ConcatFromSequence", "ConvInteger", "DFT", "Det", "DynamicQuantizeLinear", "ImageDecoder"),
    *("MatMulInteger", "MaxRoiPool", "MaxUnpool", "MelWeightMatrix", "Multinomial", "NegativeLogLikelihoodLoss"),
    *("Optional", "OptionalGetElement", "OptionalHasElement", "QLinearConv", "QLinearMatMul", "RegexFullMatch"),
    *("SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength"),
    *("SequenceMap", "SoftmaxCrossEntropyLoss", "SplitToSequence", "StringConcat", "StringNormalizer", "StringSplit"),
    *("TfIdfVectorizer", "Unique"),
}
"""Operations of ONNX that the parser refuses."""

_CONSTANT = {"CumSum": 1, "OneHot": 1, **{f"Reduce{kind}": 1 for kind in ("L1", "L2", "Max", "Mean", "Min", "Sum")}}
# Inputs that have to be constants, by their number.

COMMAND = (
    "trtexec --onnx={graph} --saveEngine=model.engine --minShapes=waveform:1x{shortest},lengths:1 "
    "--optShapes=waveform:1x{middle},lengths:1 --maxShapes=waveform:{clips}x{longest},lengths:{clips}"
)
"""What builds an engine."""

_FLAT_POOLS = ("AveragePool", "MaxPool")
_MOST_CLIPS = 16


@EXPORTERS.register("tensorrt")
class TensorRt(Onnx):
    """ONNX that TensorRT can parse; computed by onnxruntime here."""

    weights = ("float32", "float16")
    computes_kernels = False  # it has no float64

    def write(self, graph: Graph, path: Path) -> None:
        """Writes the graph, and refuses what the parser doesn't know."""
        import onnx

        super().write(graph, path)
        problems = check_operations(onnx.load(str(path)))
        if problems:
            raise ExportError(
                f"TensorRT {PARSER} can't build this graph, so no file is left: `format` onnx runs it by onnxruntime's "
                f"CUDA provider\n{listing(problems)}"
            )

    def describe_use(self, manifest: Manifest) -> str:
        """The line that builds an engine."""
        middle = min(150 * manifest.hop, manifest.longest)
        line = COMMAND.format(
            graph=manifest.graph,
            shortest=manifest.shortest,
            middle=middle,
            longest=manifest.longest,
            clips=_MOST_CLIPS,
        )
        return (
            f"All operations are on the list of TensorRT {PARSER}'s ONNX parser (opset {OPSET}). An engine is built on "
            f"the GPU that it is to run on; none was built, and TensorRT was not run here:\n\n    {line}"
        )


def check_operations(proto: Any) -> list[str]:  # noqa: ANN401 - onnx.ModelProto
    """What TensorRT's parser refuses in a graph, a line each; empty if nothing."""
    graph = proto.graph
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {name for node in graph.node if node.op_type == "Constant" for name in node.output}
    return list(dict.fromkeys(_problems(graph.node, constants)))


def _problems(nodes: Iterable[Any], constants: set[str]) -> Iterable[str]:
    for node in nodes:
        if node.domain not in ("", "ai.onnx"):
            yield f"{node.domain}.{node.op_type}: not of ONNX's own operations"
        if node.op_type in UNSUPPORTED:
            yield f"{node.op_type}: unknown to the parser"
        position = _CONSTANT.get(node.op_type)
        given = "" if position is None or len(node.input) <= position else node.input[position]
        if given and given not in constants:
            yield f"{node.op_type} {node.name}: input {position} has to be a constant"
        kernel = next((list(attribute.ints) for attribute in node.attribute if attribute.name == "kernel_shape"), [])
        if node.op_type in _FLAT_POOLS and len(kernel) == 1:
            yield f"{node.op_type} {node.name}: pools one axis, and the parser knows two and three"
