"""Adapters: few new weights inside a frozen encoder, low-rank updates (LoRA) or scales (IA3), through peft.

    prepare(model): adapters into the blocks that reach the head -> they and all above the encoder are trained

Adapters start as the identity: before the first step the model's output is that without them. They can be saved without
the encoder, or merged into it (`ser_tl.transfer.adapters`); a saved model has them merged.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import nn

from ser_tl.encoders import Block
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.model.peft_state import added_state
from ser_tl.transfer.adapter_targets import Adapters, Kind, find_targets, plan_adapters
from ser_tl.transfer.strategy import NO_DECAY, STRATEGIES, LearningRates, Strategy, weight_decay_groups


class Adapted(Strategy):
    """Adapters and everything above the encoder are trained.

    Args:
        targets: names of the linear or convolutional layers that get adapters, or of what holds them: [q_proj, v_proj],
            [feed_forward]; the encoder's usual ones if None
        blocks: number of top blocks with adapters; in all that reach the head if None
        learning_rate: of the adapters, at the schedule's peak

    Raises:
        ConfigError: a value out of its range
    """

    kind: ClassVar[Kind]

    def __init__(
        self, *, targets: Sequence[str] | None = None, blocks: int | None = None, learning_rate: float = 1e-3
    ) -> None:
        if not learning_rate > 0:
            raise ConfigError(f"strategy.learning_rate is {learning_rate}: expected more than 0")
        if blocks is not None and blocks < 1:
            raise ConfigError(
                f"strategy.blocks is {blocks}: expected 1 or more, or null for all; `strategy` frozen has no adapters"
            )
        if targets is not None and (isinstance(targets, str) or not targets):
            raise ConfigError(
                f"strategy.targets is {targets!r}: expected a list of names, as [q_proj, v_proj], or null for the "
                f"usual ones"
            )
        self.targets, self.blocks, self.learning_rate = targets, blocks, learning_rate

    @property
    @abstractmethod
    def options(self) -> dict[str, Any]:
        """What peft's config class is given beside the layers."""

    def plan(self, model: EmotionModel) -> Adapters:
        """The adapters that go into a model.

        Raises:
            ConfigError: the encoder has no place for them, or not where the options say
        """
        return plan_adapters(model, self.kind, self.targets, self.blocks, self.options)

    def trainable_blocks(self, model: EmotionModel) -> list[Block]:
        """The blocks that have adapters, or will have them."""
        return [block for block, _ in find_targets(model, self.kind, self.targets, self.blocks)]

    def prepare(self, model: EmotionModel) -> None:
        """Puts the adapters in, unless the same are there already, and freezes all else of the encoder.

        Raises:
            ConfigError: the encoder has no place for them, or has other ones
        """
        wanted, present = self.plan(model), Adapters.of(model.encoder)
        if present is None:
            wanted.insert(model.encoder)
        elif present != wanted:
            raise ConfigError(
                f"the encoder has other adapters already ({present.kind} in {len(present.modules)} layers, "
                f"{present.options}): train on with the same options, or merge them first, by merge_adapter(model)"
            )
        model.requires_grad_(True)
        model.encoder.requires_grad_(False)
        for _, parameter in self._adapters(model):
            parameter.requires_grad_(True)

    def param_groups(self, model: EmotionModel, rates: LearningRates) -> list[dict[str, Any]]:
        """Head and adapters, each at its own rate.

        Of the adapters only LoRA's two matrices decay: a scale of IA3's or a length of DoRA's does nothing at one or at
        the base weight's length, not at zero.
        """
        encoder = {id(parameter) for parameter in model.encoder.parameters()}
        head = [
            parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) not in encoder
        ]
        adapters = [(".lora_A." in name or ".lora_B." in name, parameter) for name, parameter in self._adapters(model)]
        rate = self.learning_rate
        groups = [{"name": "adapters", "params": [parameter for product, parameter in adapters if product], "lr": rate}]
        others = [parameter for product, parameter in adapters if not product]
        groups += [{"name": "adapters" + NO_DECAY, "params": others, "lr": rate, "weight_decay": 0.0}]
        return weight_decay_groups("head", head, rates.head) + [group for group in groups if group["params"]]

    @staticmethod
    def _adapters(model: EmotionModel) -> list[tuple[str, nn.Parameter]]:
        added = added_state(model)
        return [(name, parameter) for name, parameter in model.named_parameters() if name in added]


@STRATEGIES.register("lora")
class Lora(Adapted):
    """Low-rank updates of the encoder's weights (Hu et al. 2021).

    Args:
        rank: width of the bottleneck
        alpha: what the product is scaled by, over the rank
        dropout: share of the input channels dropped in training
        dora: learn the length of each of the weight's rows apart from its direction (Liu et al. 2024)
        rslora: scale by alpha over the rank's root, so that high ranks still learn (Kalajdzievski 2023)
        targets: names of the linear or convolutional layers that get adapters, or of what holds them: [q_proj, v_proj],
            [feed_forward]; the encoder's usual ones if None
        blocks: number of top blocks with adapters; in all that reach the head if None
        learning_rate: of the adapters, at the schedule's peak

    Raises:
        ConfigError: a value out of its range
    """

    kind: ClassVar[Kind] = "lora"

    def __init__(
        self,
        rank: int = 8,
        *,
        alpha: float = 16.0,
        dropout: float = 0.0,
        dora: bool = False,
        rslora: bool = False,
        targets: list[str] | None = None,
        blocks: int | None = None,
        learning_rate: float = 1e-3,
    ) -> None:
        super().__init__(targets=targets, blocks=blocks, learning_rate=learning_rate)
        if rank < 1:
            raise ConfigError(f"strategy.rank is {rank}: expected 1 or more; `strategy` frozen has no adapters")
        if not alpha > 0:
            raise ConfigError(f"strategy.alpha is {alpha}: expected more than 0")
        if not 0 <= dropout < 1:
            raise ConfigError(f"strategy.dropout is {dropout}: expected a share from 0 to below 1")
        self.rank, self.alpha, self.dropout, self.dora, self.rslora = rank, alpha, dropout, dora, rslora

    @property
    def options(self) -> dict[str, Any]:
        """Of peft's `LoraConfig`."""
        options = {"r": self.rank, "lora_alpha": self.alpha, "lora_dropout": self.dropout}
        return options | {"use_dora": self.dora, "use_rslora": self.rslora}


@STRATEGIES.register("ia3")
class IA3(Adapted):
    """Learned scales of keys, values and the input of the feed-forward part's second layer (Liu et al. 2022).

    Args:
        targets: names of the layers that get adapters, or of what holds them; the encoder's usual ones if None
        blocks: number of top blocks with adapters; in all that reach the head if None
        learning_rate: of the adapters, at the schedule's peak
    """

    kind: ClassVar[Kind] = "ia3"

    def __init__(
        self, *, targets: list[str] | None = None, blocks: int | None = None, learning_rate: float = 1e-3
    ) -> None:
        super().__init__(targets=targets, blocks=blocks, learning_rate=learning_rate)

    @property
    def options(self) -> dict[str, Any]:
        """None: which inputs are scaled follows from the layers."""
        return {}
