"""Kernels that have a formula: an ONNX graph holds the formula, and the runtime computes the kernel when it loads it.

    compute_kernels(proto, model)    kernels of Fourier transforms and resampling -> a few nodes on short vectors

Torch computes these kernels, too, and a saved model has none of them. In a graph they would be 0.6 to 0.8 MB in
float32: more than the weights of a small network on MFCCs.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn

from ser_tl.encoders.resampling import Resampler
from ser_tl.encoders.spectrum import PowerSpectrum

Values = dict[str, np.ndarray]

FOURIER = """
fourier (int64[B, 1] bins, int64[1, W] steps, int64 size, double[N] cosine, double[N] sine, double[W] window,
         int64[3] shape) => (float[K, 1, W] kernel)
{
    turns = Mul(bins, steps)
    phase = Mod(turns, size)
    cosines = Gather(cosine, phase)
    sines = Gather(sine, phase)
    waves = Concat<axis = 0>(cosines, sines)
    windowed = Mul(waves, window)
    shaped = Reshape(windowed, shape)
    kernel = Cast<to = 1>(shaped)
}
"""

SINC = """
sinc (float[1, 1, T] offsets, float[P, 1, 1] phases, float cut, float low, float high, float pi, float tiny,
      float quarter, float gain) => (float[P, 1, T] kernel)
{
    delays = Sub(offsets, phases)
    scaled = Mul(delays, cut)
    times = Clip(scaled, low, high)
    turned = Mul(times, pi)
    angles = Add(turned, tiny)
    sines = Sin(angles)
    sinc = Div(sines, angles)
    slow = Mul(times, quarter)
    cosines = Cos(slow)
    window = Mul(cosines, cosines)
    windowed = Mul(sinc, window)
    kernel = Mul(windowed, gain)
}
"""


def compute_kernels(proto: Any, model: nn.Module) -> None:  # noqa: ANN401 - onnx.ModelProto
    """Replaces each stored kernel of a spectrum or a resampler by nodes that compute it.

    Args:
        proto: changed in place
        model: what the graph was made of
    """
    from onnx import numpy_helper

    formulas = [FORMULAS[type(module)](module) for module in model.modules() if type(module) in FORMULAS]
    for number, (text, values, kernel) in enumerate(formulas):
        expected = kernel.detach().cpu().numpy()
        for tensor in list(proto.graph.initializer):
            if list(tensor.dims) == list(expected.shape) and np.allclose(
                numpy_helper.to_array(tensor), expected, rtol=0.0, atol=1e-6
            ):
                _replace(proto, tensor, text, values, f"kernel{number}.")
                break  # a graph holds equal kernels once


def fourier_kernel(module: PowerSpectrum) -> tuple[str, Values, Tensor]:
    """Cosines and sines of one turn, which each bin runs through in steps of its own."""
    angles = 2 * np.pi / module.size * np.arange(module.size)
    width, bins = len(module.window), module.size // 2 + 1
    values = {
        "bins": np.arange(bins)[:, None],
        "steps": np.arange(width)[None],
        "size": np.array(module.size),
        "cosine": np.cos(angles),  # float64, as torch makes the kernel: a product in float32 would round twice
        "sine": np.sin(angles),
        "window": module.window.cpu().double().numpy(),
        "shape": np.array([2 * bins, 1, width]),
    }
    return FOURIER, values, module.waves


def sinc_kernel(module: Resampler) -> tuple[str, Values, Tensor]:
    """The windowed sinc of `Resampler`, in the order of its own operations."""
    offsets = np.arange(-module.reach, module.reach + module.step, dtype=np.float32) / np.float32(module.step)
    phases = np.arange(module.phases, dtype=np.float32) / np.float32(module.phases)
    numbers = {
        "cut": module.cut,
        "low": -module.crossings,
        "high": module.crossings,
        "pi": np.pi,
        "tiny": 1e-20,  # 0 / 0 becomes 1, and no other number changes
        "quarter": np.pi / 2 / module.crossings,
        "gain": module.cut / module.step,
    }
    values = {"offsets": offsets[None, None], "phases": phases[:, None, None]}
    return SINC, values | {name: np.array(value, dtype=np.float32) for name, value in numbers.items()}, module.kernels


FORMULAS: dict[type[nn.Module], Callable[[Any], tuple[str, Values, Tensor]]] = {
    PowerSpectrum: fourier_kernel,
    Resampler: sinc_kernel,
}
"""What computes the kernel of a module: an ONNX graph as text, its inputs, and the kernel as torch has it."""


def _replace(proto: Any, tensor: Any, text: str, values: Values, prefix: str) -> None:  # noqa: ANN401 - onnx's messages
    from onnx import compose, numpy_helper, parser

    graph = compose.add_prefix_graph(parser.parse_graph(text.strip()), prefix)
    graph.node[-1].output[0] = tensor.name
    graph.node[-1].name = f"{prefix}kernel"
    rest = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend([*graph.node, *rest])
    proto.graph.initializer.remove(tensor)
    proto.graph.initializer.extend(numpy_helper.from_array(value, prefix + name) for name, value in values.items())
