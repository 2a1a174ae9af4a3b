"""INT8 arithmetic simulated in float32, as an exported graph computes it: rounding, clipping, and gradients through.

    add_fake_quantization(model)       every linear and convolutional layer below the heads, weights and inputs
    remove_fake_quantization(model)    -> the ranges of the layers' inputs, by the layers' names
    simulate_int8(model, ranges)       for as long as a block lasts

Weights are rounded to 7 bits with a scale an output channel, which no processor overflows on; inputs to 8 bits of a
range that follows what comes through (Jacob et al. 2018). Gradients go straight through the rounding, and stop where a
value is clipped. Parameters and their names stay.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

WEIGHT_LEVELS = 64
"""Steps of a weight on each side of zero: 7 bits."""

ACTIVATION_LEVELS = 255
"""Steps of a layer's input."""

Ranges = Mapping[str, tuple[float, float]]

_HEADS = ("head.", "dimension_head.", "outliers.")
_CHILD = "input_range"
_WEIGHT = "weight"


class InputRange(nn.Module):
    """The range of a layer's input, which follows the batches of the training.

    Args:
        low: where it begins; nothing has been seen yet if None
        high: where it ends
        momentum: share of a batch in what was seen before it

    Attributes:
        observing: whether batches outside of the training count as well
    """

    low: Tensor
    high: Tensor

    def __init__(self, low: float | None = None, high: float = 0.0, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.observing = False
        self.register_buffer("low", torch.tensor(float("nan") if low is None else low))
        self.register_buffer("high", torch.tensor(high))

    def forward(self, values: Tensor) -> Tensor:
        """The values, rounded to the steps of the range and clipped to it."""
        if self.training or self.observing or bool(self.low.isnan()):
            self.observe(values.detach())
        scale = (self.high - self.low).clamp_min(1e-8) / ACTIVATION_LEVELS
        zero = (-self.low / scale).round().to(torch.int32).clamp(0, ACTIVATION_LEVELS)
        rounded = torch.fake_quantize_per_tensor_affine(values.float(), scale, zero, 0, ACTIVATION_LEVELS)
        return rounded.to(values.dtype)

    def observe(self, values: Tensor) -> None:
        """Moves the range towards a batch's; it always holds zero, which padding is."""
        low, high = values.amin().float().clamp(max=0.0), values.amax().float().clamp(min=0.0)
        if bool(self.low.isnan()):
            self.low.copy_(low)
            self.high.copy_(high)
        else:
            self.low.lerp_(low, self.momentum)
            self.high.lerp_(high, self.momentum)


def round_weight(weight: Tensor) -> Tensor:
    """A weight (outputs, ...) on the steps of its output channels' scales, with the gradient of the weight itself."""
    largest = weight.detach().flatten(1).abs().amax(dim=1).clamp_min(1e-12)
    scale = (largest / WEIGHT_LEVELS).reshape(-1, *[1] * (weight.ndim - 1))
    rounded = (weight.detach() / scale).round().clamp(-WEIGHT_LEVELS, WEIGHT_LEVELS) * scale
    return weight + (rounded - weight.detach())


def quantized_layers(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Layers that an export computes in integers, by name: not the heads, nor convolutions of the waveform itself."""
    for name, module in model.named_modules():
        if name.startswith(_HEADS) or not isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
            continue
        if isinstance(module, nn.Linear) or module.in_channels // module.groups > 1:
            yield name, module


def add_fake_quantization(model: nn.Module, ranges: Ranges | None = None, *, momentum: float = 0.1) -> None:
    """Lets a model's layers round their weights and inputs.

    Args:
        model: changed in place
        ranges: of inputs, by the layers' names; those that aren't there are found on the first batches
        momentum: share of a training batch in the ranges
    """
    for name, module in quantized_layers(model):
        limits = (ranges or {}).get(name)
        limits_module = InputRange(*(limits or (None, 0.0)), momentum=momentum)
        module.add_module(_CHILD, limits_module.to(next(module.parameters()).device).train(module.training))
        module.register_forward_pre_hook(_before)
        # Also without an error in between: a rounded weight must not stay.
        module.register_forward_hook(_after, always_call=True)


def remove_fake_quantization(model: nn.Module) -> dict[str, tuple[float, float]]:
    """Takes the rounding out again.

    Args:
        model: changed in place

    Returns:
        The ranges of the layers' inputs, by the layers' names; without layers that never computed anything.
    """
    ranges = {}
    for name, module in quantized_layers(model):
        if _CHILD not in module._modules:
            continue
        limits: Any = module._modules.pop(_CHILD)
        if not bool(limits.low.isnan()):
            ranges[name] = (float(limits.low), float(limits.high))
        for hooks, hook in ((module._forward_pre_hooks, _before), (module._forward_hooks, _after)):
            for key in [key for key, function in hooks.items() if function is hook]:
                del hooks[key]
                module._forward_hooks_always_called.pop(key, None)
    return ranges


@contextmanager
def simulate_int8(model: nn.Module, ranges: Ranges) -> Generator[None]:
    """Computes as an exported INT8 graph does, for as long as the block lasts.

    Args:
        model: in evaluation mode
        ranges: of inputs, by the layers' names, as the training found them
    """
    add_fake_quantization(model, ranges)
    try:
        yield
    finally:
        remove_fake_quantization(model)


@contextmanager
def observe_ranges(model: nn.Module) -> Generator[None]:
    """Lets all batches count for the ranges, for as long as the block lasts."""
    limits = [module for module in model.modules() if isinstance(module, InputRange)]
    for module in limits:
        module.observing = True
    try:
        yield
    finally:
        for module in limits:
            module.observing = False


def _before(module: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Rounds a layer's input, and puts a rounded weight before its own, which an attribute of the object hides."""
    limits: Any = module._modules[_CHILD]
    if not parametrize.is_parametrized(module):  # such a weight is a property of the class, and stays as it is
        vars(module)[_WEIGHT] = round_weight(module._parameters[_WEIGHT])  # ty: ignore[invalid-argument-type]
    return (limits(given[0]), *given[1:])


def _after(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401, ARG001 - torch's signature
    vars(module).pop(_WEIGHT, None)
