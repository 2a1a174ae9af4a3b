"""The contract of a transfer strategy: the only module that decides which weights are trained, and at which rates.

    prepare(model) -> param_groups(model, rates)
      -> each epoch: on_epoch_start(model, history) -> each step: lr_scale(group, done), penalty(output, batch)

A strategy is independent of data, optimizers and schedules; the trainer calls it. Its decisions depend on the config
and the history alone, so a resumed training goes on as if it had never been killed.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ser_tl.data.batching import Batch
from ser_tl.encoders import Block
from ser_tl.model import EmotionModel, Output
from ser_tl.registry import Registry

STRATEGIES: Registry[type["Strategy"]] = Registry("strategy", "ser_tl.strategies")

NO_DECAY = " (no decay)"
"""Behind the name of a group whose parameters have no weight decay."""

History = Sequence[Mapping[str, Any]]
"""One record per finished epoch, as `Trainer.fit` returns them."""


@dataclass(frozen=True)
class LearningRates:
    """Learning rates at the peak of the schedule.

    Args:
        head: of all new weights: everything above the encoder but feature statistics
        encoder: of trainable pretrained weights
    """

    head: float
    encoder: float


class Strategy(ABC):
    """Which weights are trained, and at which rates. Its options are the arguments of its constructor: `Lora(rank=8)`.

    On the command line they are `ser-tl train --strategy lora --strategy.rank 8`: the constructor's names, types and
    descriptions are read from its signature and docstring (`ser_tl.construction`).

    Attributes:
        needs_whole_weights: whether a step compares whole weights, which no process has where the model is sharded
    """

    needs_whole_weights: bool = False

    @abstractmethod
    def trainable_blocks(self, model: EmotionModel) -> list[Block]:
        """The encoder's blocks that are trained at any time, input side first; features below them can be cached."""

    def prepare(self, model: EmotionModel) -> None:
        """Sets `requires_grad` of every parameter, before the optimizer is made."""
        model.requires_grad_(True)
        model.encoder.requires_grad_(False)
        set_trainable((block.modules for block in self.trainable_blocks(model)), True)

    def on_epoch_start(self, model: EmotionModel, history: History) -> bool:  # noqa: ARG002 - most stay as they are
        """Changes which weights are trainable, before the epoch after a history.

        Returns:
            Whether any parameter's `requires_grad` changed.
        """
        return False

    def param_groups(self, model: EmotionModel, rates: LearningRates) -> list[dict[str, Any]]:
        """The optimizer's groups: `params`, `lr`, and `name` for the records.

        They hold all weights that are trained at any time.

        Biases, norms and layer weights (all with fewer than two dimensions) get no weight decay (Loshchilov and Hutter
        2019 leave this open; it is the field's practice).
        """
        encoder = {id(parameter) for parameter in model.encoder.parameters()}
        groups = weight_decay_groups(
            "head", [parameter for parameter in model.parameters() if id(parameter) not in encoder], rates.head
        )
        for name, blocks, rate in self.learning_rates(model, rates):
            groups += weight_decay_groups(name, parameters_of(blocks), rate, decay=self.decays_weights)
        return groups

    @property
    def decays_weights(self) -> bool:
        """Whether pretrained weights have weight decay."""
        return True

    def learning_rates(self, model: EmotionModel, rates: LearningRates) -> list[tuple[str, list[Block], float]]:
        """Names, blocks and peak rates of the encoder's groups, the top first."""
        return [("encoder", self.trainable_blocks(model), rates.encoder)]

    def lr_scale(self, group: str, done: float) -> float:  # noqa: ARG002 - most have one schedule for all
        """The factor of a group's rate, beside the schedule of the training.

        Args:
            group: its name, without `NO_DECAY`
            done: epochs since the beginning, parts of the running one counted
        """
        return 1.0

    def penalty(self, output: Output, batch: Batch) -> Tensor | None:  # noqa: ARG002 - for strategies of one's own
        """A scalar that is added to the classification loss; None for none."""
        return None


def parameters_of(blocks: Iterable[Block]) -> list[nn.Parameter]:
    """All parameters of an encoder's blocks."""
    return [parameter for block in blocks for parameter in block.modules.parameters()]


def weight_decay_groups(
    name: str, parameters: Sequence[nn.Parameter], rate: float, *, decay: bool = True
) -> list[dict[str, Any]]:
    """One or two groups of an optimizer: matrices, and weights without decay.

    Args:
        name: of the group; the other's has `NO_DECAY` behind it
        parameters: of both
        rate: peak learning rate
        decay: whether matrices have weight decay
    """
    matrices = [parameter for parameter in parameters if parameter.ndim >= 2]
    vectors = [parameter for parameter in parameters if parameter.ndim < 2]
    groups: list[dict[str, Any]] = [{"name": name, "params": matrices, "lr": rate}]
    if not decay:
        groups[0]["weight_decay"] = 0.0
    groups += [{"name": name + NO_DECAY, "params": vectors, "lr": rate, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def set_trainable(modules: Iterable[nn.Module], moving: bool) -> None:
    """Sets whether the modules' parameters require gradients."""
    for module in modules:
        module.requires_grad_(moving)
