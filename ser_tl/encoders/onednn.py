"""Matrix products in float32 by oneDNN, on the CPUs on which MKL takes twice as long.

    use_onednn(model)               replaces its linear layers, where that is faster
    linear(frames, weight, bias)    one product, forward and backward

torch multiplies float32 matrices by MKL, which on processors that aren't Intel's uses half of what AVX-512 offers.
oneDNN, which torch has too and takes for bf16, uses all of it. The precision is the same, the last digits aren't.
`torch.backends.mkldnn.flags(enabled=False)` goes back to MKL.
"""

from functools import cache
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from ser_tl.modules.graph import is_recording

_FEW = 16  # rows up to which laying out the weights takes longer than multiplying by them


def use_onednn(model: nn.Module) -> None:
    """Replaces torch's linear layers by layers that multiply by oneDNN, where that is faster.

    Parameters, their names and files stay. A layer with hooks stays as it is: they are its own.
    """
    if not is_onednn_faster():
        return
    replaced: dict[nn.Module, OneDnnLinear] = {}
    for parent in list(model.modules()):
        for name, layer in list(parent._modules.items()):
            if type(layer) is nn.Linear and not (layer._forward_hooks or layer._forward_pre_hooks):
                if layer not in replaced:
                    replaced[layer] = OneDnnLinear.from_linear(layer)
                setattr(parent, name, replaced[layer])


@cache
def is_onednn_faster() -> bool:
    """Whether this machine's float32 products are faster by oneDNN.

    By the processor's maker rather than by a stopwatch: near a draw, one run would go this way and the next the other.
    """
    described = Path("/proc/cpuinfo")
    if not (torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available() and described.is_file()):
        return False
    processor = described.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    return "avx512f" in processor and "GenuineIntel" not in processor


class OneDnnLinear(nn.Linear):
    """torch's linear layer, by `linear`."""

    @classmethod
    def from_linear(cls, layer: nn.Linear) -> Self:
        """A layer of the same parameters."""
        shared = cls(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        shared.weight, shared.bias = layer.weight, layer.bias
        return shared.train(layer.training)

    def forward(self, input: Tensor) -> Tensor:
        """As nn.Linear.

        Shape:
            input (..., I) -> (..., O)
        """
        return linear(input, self.weight, self.bias)


def linear(frames: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """As torch's, by oneDNN if all is float32 on a CPU and there are rows enough.

    Autocast, tracing and compilation get torch's own.

    Shape:
        frames (..., I), weight (O, I), bias (O,) -> (..., O)
    """
    elsewhere = is_recording() or torch.is_autocast_enabled("cpu")
    given = [frames, weight] if bias is None else [frames, weight, bias]
    fits = all(tensor.device.type == "cpu" and tensor.dtype == torch.float32 for tensor in given)
    few = frames.numel() <= _FEW * frames.shape[-1]
    if elsewhere or few or not fits or not torch.backends.mkldnn.enabled:
        return functional.linear(frames, weight, bias)
    return _Product.apply(frames, weight, bias)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, frames: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(frames, weight)
        return _multiply(frames, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # noqa: ANN401
        frames, weight = ctx.saved_tensors
        rows = gradient.flatten(0, -2)
        wanted = ctx.needs_input_grad
        return (
            _multiply(gradient, weight.T) if wanted[0] else None,
            _multiply(rows.T, frames.flatten(0, -2).T) if wanted[1] else None,
            rows.sum(dim=0) if wanted[2] else None,
        )


def _multiply(frames: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """What torch's own compiler calls for a linear layer on a CPU."""
    return torch.ops.mkldnn._linear_pointwise(frames.contiguous(), weight.contiguous(), bias, "none", [], "")
