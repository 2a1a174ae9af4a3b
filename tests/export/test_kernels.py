"""Kernels with a formula: the runtime computes them, and the file has none of them."""

import numpy as np
import pytest
import torch
from torch import nn

from ser_tl.encoders.resampling import Resampler
from ser_tl.encoders.spectrum import PowerSpectrum
from ser_tl.export.kernels import compute_kernels

onnx = pytest.importorskip("onnx", reason="needs the extra: pip install 'ser_tl[export]'")
runtime = pytest.importorskip("onnxruntime", reason="needs the extra: pip install 'ser_tl[export]'")

MODULES = {
    "mfcc": lambda: PowerSpectrum(torch.hamming_window(400), 512, 160),
    "whisper": lambda: PowerSpectrum(torch.hann_window(400), 400, 160),
    "odd window": lambda: PowerSpectrum(torch.hann_window(33), 64, 8),
    "22 kHz": lambda: Resampler(16_000, 22_050),
    "8 kHz": lambda: Resampler(16_000, 8000, crossings=6),
}


def convolution(*kernels):
    """A graph of one convolution a kernel."""
    helper, weights = onnx.helper, [onnx.numpy_helper.from_array(k.numpy(), f"w{i}") for i, k in enumerate(kernels)]
    nodes = [helper.make_node("Conv", ["x", w.name], [f"y{i}"]) for i, w in enumerate(weights)]
    values = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, None])]
    outputs = [
        helper.make_tensor_value_info(f"y{i}", onnx.TensorProto.FLOAT, [1, None, None]) for i in range(len(weights))
    ]
    graph = helper.make_graph(nodes, "g", values, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def kernel_of(module):
    return module.waves if isinstance(module, PowerSpectrum) else module.kernels


def compute(proto, x):
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    return runtime.InferenceSession(proto.SerializeToString(), options).run(None, {"x": x})


@pytest.mark.parametrize("name", list(MODULES))
def test_a_kernel_is_computed_as_torch_computed_it(name):
    module = MODULES[name]()
    kernel = kernel_of(module)
    proto = convolution(kernel)
    before = proto.ByteSize()
    x = np.random.default_rng(0).normal(size=(1, 1, 4000)).astype(np.float32)
    (expected,) = compute(proto, x)
    compute_kernels(proto, nn.ModuleList([module]))
    onnx.checker.check_model(proto, full_check=True)
    assert proto.ByteSize() < max(6000, before / 10)
    (found,) = compute(proto, x)
    tolerance = 0.0 if isinstance(module, PowerSpectrum) else 2e-6  # products of sines round otherwise than torch's
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def test_several_are_told_apart_and_trained_weights_stay():
    modules = [MODULES["mfcc"](), MODULES["whisper"](), MODULES["22 kHz"]()]
    trained = torch.randn(modules[0].waves.shape, generator=torch.Generator().manual_seed(0))
    proto = convolution(trained, *map(kernel_of, modules))
    x = np.random.default_rng(0).normal(size=(1, 1, 1000)).astype(np.float32)
    expected = compute(proto, x)
    compute_kernels(proto, nn.ModuleList([*modules, MODULES["8 kHz"]()]))  # of the last the graph has none
    assert [tensor.name for tensor in proto.graph.initializer if np.prod(tensor.dims) > 1000] == ["w0"]
    for found, wanted in zip(compute(proto, x), expected, strict=True):
        assert np.abs(found - wanted).max() < 2e-6 * np.abs(wanted).max()
    size = proto.ByteSize()
    compute_kernels(proto, nn.ModuleList(modules))
    assert proto.ByteSize() == size


def test_a_kernel_that_was_trained_isn_t_replaced():
    module = MODULES["22 kHz"]()
    proto = convolution(module.kernels + 1e-3)
    size = proto.ByteSize()
    compute_kernels(proto, nn.ModuleList([module]))
    assert proto.ByteSize() == size
