"""The state of a network with peft adapters: the adapters, the base weights, or both merged.

    state_dict() --> added_state(), the adapters alone; base_state(), all else, named as if there were none;
                     merged_state(), of a network without adapters that computes the same

The network isn't changed: peft's own merging writes into the base weights, which several models may share.
"""

import copy
import sys
from typing import Any

from torch import Tensor, nn

_BASE = "base_layer."


def adapted_layers(module: nn.Module) -> dict[str, Any]:
    """The layers that have adapters, by name."""
    if "peft" not in sys.modules:  # seconds to import, and nobody has put an adapter anywhere without it
        return {}
    from peft.tuners.tuners_utils import BaseTunerLayer

    return {name: layer for name, layer in module.named_modules() if isinstance(layer, BaseTunerLayer)}


def merge_layer(layer: Any) -> nn.Module:  # noqa: ANN401 - peft's layers are modules, by two base classes
    """The plain layer that computes what the layer and its adapters compute, with weights of its own."""
    merged = copy.deepcopy(layer)
    merged.merge()
    return merged.get_base_layer()


def added_state(module: nn.Module) -> dict[str, Tensor]:
    """The adapters' part of the state."""
    plain = _plain_names(module)
    return {name: tensor for name, tensor in module.state_dict().items() if plain[name] is None}


def base_state(module: nn.Module) -> dict[str, Tensor]:
    """The state of the module without adapters."""
    plain = _plain_names(module)
    named = [(plain[name], tensor) for name, tensor in module.state_dict().items()]
    return {name: tensor for name, tensor in named if name is not None}


def merged_state(module: nn.Module) -> dict[str, Tensor]:
    """The state of the same module without adapters that computes the same."""
    state = base_state(module)
    for name, layer in adapted_layers(module).items():
        state |= {f"{name}.{label}": tensor for label, tensor in merge_layer(layer).state_dict().items()}
    return state


def _plain_names(module: nn.Module) -> dict[str, str | None]:
    """Of each name in the module's state the one without adapters; None where it is an adapter's own."""
    plain: dict[str, str | None] = {name: name for name in module.state_dict()}
    for layer in adapted_layers(module):
        for name in plain:
            if name.startswith(f"{layer}."):
                label = name.removeprefix(f"{layer}.")
                base = label.startswith(_BASE)
                plain[name] = f"{layer}.{label.removeprefix(_BASE)}" if base else None
    return plain
