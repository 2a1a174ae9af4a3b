"""Weights of an ONNX graph stored in fewer bits than they are computed in: the file is smaller, the sums are the same.

    store_as_half(path)              float16 behind Cast
    store_as_integers(proto, axes)   int8 with a scale a channel behind DequantizeLinear

onnxruntime undoes both once, when it loads the graph. Knows nodes and weights alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ser_tl.errors import ExportError

FEWEST = 1024
"""Numbers in a weight that is worth it."""


def store_as_half(path: Path) -> None:
    """Stores weights as float16.

    Args:
        path: of an ONNX file; written anew

    Raises:
        ExportError: a weight is beyond float16's range
    """
    import onnx
    from onnx import helper, numpy_helper

    proto = onnx.load(str(path))
    casts = []
    for tensor in proto.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < FEWEST:
            continue
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise ExportError(
                f"weights float16: {tensor.name} reaches {np.abs(values).max():g}, beyond float16's range: leave it out"
            )
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], f"{name}.cast", to=onnx.TensorProto.FLOAT))
    _put_first(proto, casts)
    path.write_bytes(proto.SerializeToString())


def store_as_integers(proto: Any, axes: Mapping[str, int]) -> None:  # noqa: ANN401 - onnx.ModelProto
    """Stores weights as int8, with a scale for each index of an axis.

    Args:
        proto: changed in place
        axes: names of the weights, and the axis that has the outputs
    """
    from onnx import helper, numpy_helper

    nodes, scales = [], []
    for tensor in proto.graph.initializer:
        if tensor.name not in axes:
            continue
        values, name, axis = numpy_helper.to_array(tensor), tensor.name, axes[tensor.name]
        scale = np.abs(values).max(axis=tuple(index for index in range(values.ndim) if index != axis)) / 127
        scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
        shape = [-1 if index == axis else 1 for index in range(values.ndim)]
        rounded = np.clip(np.round(values / scale.reshape(shape)), -127, 127).astype(np.int8)
        tensor.CopyFrom(numpy_helper.from_array(rounded, f"{name}.int8"))
        scales.append(numpy_helper.from_array(scale, f"{name}.scale"))
        nodes.append(
            helper.make_node("DequantizeLinear", [f"{name}.int8", f"{name}.scale"], [name], f"{name}.dq", axis=axis)
        )
    proto.graph.initializer.extend(scales)
    _put_first(proto, nodes)


def _put_first(proto: Any, nodes: list[Any]) -> None:  # noqa: ANN401 - onnx.ModelProto
    rest = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend([*nodes, *rest])
