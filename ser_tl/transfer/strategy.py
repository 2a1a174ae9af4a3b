"""The contract of a transfer strategy: the only place that decides which weights move, and how fast.

    prepare(model) -> param_groups(model, rates) -> each epoch: on_epoch_start(model, epoch) -> each step: penalty(...)

A strategy knows models, not data, optimizers or schedules: the trainer asks it and obeys.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ser_tl.data.batching import Batch
from ser_tl.encoders import Block
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel, Output
from ser_tl.registry import Registry

STRATEGIES: Registry[type["Strategy"]] = Registry("strategy")


@dataclass(frozen=True)
class Rates:
    """Learning rates at the peak of the schedule.

    Args:
        head: of all that is new: standardisation aside, everything above the encoder
        encoder: of pretrained weights that move
    """

    head: float
    encoder: float


class Strategy(ABC):
    """Which weights move, and how fast.

    Args:
        unfreeze: how many of the encoder's top blocks move, for strategies that ask for it

    Raises:
        ConfigError: `unfreeze` is given to a strategy that has no use for it
    """

    def __init__(self, unfreeze: int | None = None) -> None:
        if unfreeze is not None:
            raise ConfigError(f"--unfreeze {unfreeze} is for --strategy partial: leave it out")

    @abstractmethod
    def prepare(self, model: EmotionModel) -> None:
        """Sets `requires_grad` of every parameter, before the optimizer is made."""

    def may_move(self, model: EmotionModel) -> list[Block]:
        """The encoder's blocks that move at any time in the training: what stays below them can be computed once."""
        return model.trainable_blocks()

    def param_groups(self, model: EmotionModel, rates: Rates) -> list[dict[str, Any]]:
        """The optimizer's groups: `params`, `lr`, and `name` for the records.

        Biases, norms and layer weights (all with fewer than two dimensions) get no weight decay (Loshchilov and Hutter
        2019 leave this open; it is the field's practice).
        """
        encoder = {id(parameter) for parameter in model.encoder.parameters()}
        moving = [parameter for parameter in model.parameters() if parameter.requires_grad]
        head_side = [parameter for parameter in moving if id(parameter) not in encoder]
        encoder_side = [parameter for parameter in moving if id(parameter) in encoder]
        return decayed("head", head_side, rates.head) + decayed("encoder", encoder_side, rates.encoder)

    def penalty(self, output: Output, batch: Batch) -> Tensor | None:  # noqa: ARG002 - most strategies have none
        """What is added to the classification loss, a scalar; None for nothing."""
        return None

    def on_epoch_start(self, model: EmotionModel, epoch: int) -> None:  # noqa: B027 - most strategies stay as they are
        """A chance to change what moves, before epoch `epoch` (from 0)."""


def decayed(name: str, parameters: list[nn.Parameter], rate: float) -> list[dict[str, Any]]:
    """One optimizer group of the matrices, and one without weight decay of the vectors."""
    matrices = [parameter for parameter in parameters if parameter.ndim >= 2]
    vectors = [parameter for parameter in parameters if parameter.ndim < 2]
    groups = [{"name": name, "params": matrices, "lr": rate}]
    groups += [{"name": f"{name}, no decay", "params": vectors, "lr": rate, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def set_moving(modules: Iterable[nn.Module], moving: bool) -> None:
    """Sets whether the modules' parameters require gradients."""
    for module in modules:
        module.requires_grad_(moving)
