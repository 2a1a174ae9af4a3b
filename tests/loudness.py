"""An exported model that is made in milliseconds, and that programs load without torch."""

from pathlib import Path

import numpy as np

from ser_tl.inference.manifest import Manifest, hash_file

RATE = 16_000
LABELS = ["calm", "loud", "sharp"]


def write_model(folder: Path, *, gain: float = 5.0, max_seconds: float = 2.0, dimensions=("arousal",)) -> Path:
    """An exported model of three emotions: how loud a window is on the mean, and at its peak."""
    from onnx import TensorProto, helper, numpy_helper, save

    def constant(name, values):
        return numpy_helper.from_array(np.asarray(values, np.float32), name)

    nodes = [
        helper.make_node("Abs", ["waveform"], ["magnitude"]),
        helper.make_node("ReduceSum", ["magnitude", "axis"], ["sum"], keepdims=1),
        helper.make_node("ReduceMax", ["magnitude", "axis"], ["peak"], keepdims=1),
        helper.make_node("Cast", ["lengths"], ["count"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["count", "axis"], ["counts"]),
        helper.make_node("Div", ["sum", "counts"], ["mean"]),
        helper.make_node("Concat", ["mean", "peak"], ["features"], axis=1),
        helper.make_node("MatMul", ["features", "weights"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("Identity", ["peak"], ["dimensions"]),
    ]
    tensors = [
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
        constant("weights", [[-gain, 2 * gain, 0.0], [0.0, 0.0, gain]]),
        constant("bias", [1.0, 0.0, -gain / 2]),
    ]
    inputs = [
        helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"]),
        helper.make_tensor_value_info("lengths", TensorProto.INT64, ["batch"]),
    ]
    names = ["probabilities", *(["dimensions"] if dimensions else [])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", None]) for name in names]
    graph = helper.make_graph(nodes, "loudness", inputs, outputs, tensors)
    folder.mkdir(parents=True)
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(folder / "model.onnx")
    )
    Manifest(
        graph="model.onnx",
        runtime="onnxruntime",
        sha256=hash_file(folder / "model.onnx"),
        labels=LABELS,
        dimensions=list(dimensions),
        outputs=names,
        sample_rate=RATE,
        hop=320,
        shortest=2560,
        longest=480_000,
        audio={"normalise": "none", "max_seconds": max_seconds, "evaluation": "windows"},
        frame_rate=50.0,
    ).write(folder)
    return folder
