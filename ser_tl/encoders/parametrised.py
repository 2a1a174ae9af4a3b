"""Lets modules with parametrised weights, such as wav2vec 2.0's positional convolution, go through pickle.

    make_portable(model): spawned workers, joblib, Ray, Spark and torch.save can take the model along

torch gives each such module a class of its own, made when it is built, which pickle can't find again; so torch refuses.
Here the plain module is pickled with its parametrisations, which are registered anew when it is unpickled.
"""

from collections import OrderedDict
from typing import Any

from torch import nn
from torch.nn.utils import parametrize


def make_portable(model: nn.Module) -> None:
    """Prepares every parametrised module in a model. Copies have what they need."""
    for module in model.modules():
        if parametrize.is_parametrized(module):
            kind: Any = type(module)  # its own: no other module has it
            kind.__reduce_ex__ = _reduce


def _reduce(module: nn.Module, _: int) -> tuple[Any, ...]:
    kind: Any = parametrize.type_before_parametrizations(module)
    plain = kind.__new__(kind)
    inner: Any = module.parametrizations
    weights = {name: nn.Parameter(getattr(module, name).detach().clone()) for name in inner}
    state = {
        "_parameters": vars(module)["_parameters"] | weights,
        "_modules": {name: child for name, child in vars(module)["_modules"].items() if child is not inner},
        "_load_state_dict_pre_hooks": OrderedDict(),  # torch's own, for names of torch 1's checkpoints
    }
    vars(plain).update(vars(module) | state)
    return _restore, (plain, inner)


def _restore(plain: nn.Module, parametrisations: nn.ModuleDict) -> nn.Module:
    for name, steps in parametrisations.items():
        for step in list(steps):  # ty: ignore[invalid-argument-type]
            parametrize.register_parametrization(plain, name, step)
    plain.parametrizations = parametrisations  # to the last bit, and with their gradients on or off
    make_portable(plain)
    return plain
