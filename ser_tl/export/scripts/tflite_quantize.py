"""A TensorFlow Lite graph with layers in int8, by ai-edge-quantizer in the converter's environment.

python tflite_quantize.py FLOAT.tflite OUTPUT.tflite LAYERS.json

LAYERS.json has the signatures of trained weights (`ser_tl.export.graph.signature`) whose layers are computed in
integers, `computed`, and of those that are only stored so, `stored`. Independent of ser_tl.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_quantizer import quantizer
from ai_edge_quantizer.qtyping import TFLOperationName
from ai_edge_quantizer.utils import tfl_flatbuffer_utils as graphs

# Operations that multiply by a weight, and the order of its axes in which outputs come first, then inputs.
WEIGHTED = {
    TFLOperationName.FULLY_CONNECTED: (0, 1),
    TFLOperationName.CONV_2D: (0, 3, 1, 2),
    TFLOperationName.DEPTHWISE_CONV_2D: (3, 0, 1, 2),  # of one channel, as a waveform is
    TFLOperationName.BATCH_MATMUL: None,  # the last axis has the outputs
}


def main() -> None:
    """Quantises the layers."""
    source, target, layers = map(Path, sys.argv[1:])
    wanted = {kind: set(names) for kind, names in json.loads(layers.read_text()).items()}
    quantize = quantizer.Quantizer(source)
    count = 0
    for operation, scope, signature, of_waveform in weighted_operations(graphs.read_model(source)):
        add = {"computed": quantize.add_dynamic_config, "stored": quantize.add_weight_only_config}
        for kind, names in wanted.items():
            if signature in names:
                add["stored" if of_waveform else kind](f"^{re.escape(scope)}$", operation, 8)
                count += 1
    if not count:
        sys.exit("the graph has none of the model's trained layers")
    result = quantize.quantize(enable_progress_report=False)
    target.write_bytes(bytes(result.quantized_model))


def weighted_operations(model) -> Iterator[tuple[TFLOperationName, str, str, bool]]:  # noqa: ANN001
    """Each operation with a constant weight: its kind, the name by which recipes know it, the weight's signature.

    At the end whether it is a convolution of the waveform itself, whose range no scale fits.
    """
    graph = model.subgraphs[0]
    for operation in graph.operators:
        code = model.operatorCodes[operation.opcodeIndex]
        kind = KINDS.get(max(code.builtinCode, code.deprecatedBuiltinCode))
        if kind is None:
            continue
        weight = graphs.get_tensor_data(graph.tensors[operation.inputs[1]], model.buffers)
        if weight is None or weight.ndim < 2:
            continue
        order = WEIGHTED[kind]
        if order is None:
            if weight.size != weight.shape[-1] * weight.shape[-2]:
                continue
            rows = weight.reshape(weight.shape[-2:]).T
        else:
            rows = weight.transpose(order)
        of_waveform = kind in CONVOLUTIONS and rows.shape[1] == 1
        yield kind, graphs.get_op_scope(operation, graph.tensors), sign(rows), of_waveform


def sign(weight: np.ndarray) -> str:
    """As `ser_tl.export.graph.signature`, in hexadecimal digits."""
    rows = np.ascontiguousarray(weight).reshape(len(weight), -1)
    positive = rows > 0
    signs = positive ^ positive[:, :1]
    if len(rows) > 1:
        signs ^= signs[:1]
    return hashlib.sha256(np.packbits(signs).tobytes() + str(rows.shape).encode()).hexdigest()


CONVOLUTIONS = (TFLOperationName.CONV_2D, TFLOperationName.DEPTHWISE_CONV_2D)

KINDS = {
    3: TFLOperationName.CONV_2D,
    4: TFLOperationName.DEPTHWISE_CONV_2D,
    9: TFLOperationName.FULLY_CONNECTED,
    126: TFLOperationName.BATCH_MATMUL,
}
"""Numbers of the operations in TensorFlow Lite's schema."""

if __name__ == "__main__":
    main()
