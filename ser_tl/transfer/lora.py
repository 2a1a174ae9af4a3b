"""Few new weights inside a frozen encoder learn with the head: low-rank updates (LoRA), or scales (IA3), through peft.

    prepare(model): adapters into the blocks that reach the head -> they and all above the encoder move, nothing else

Adapters begin as nothing: before the first step the model computes what it did without them. What they become can be
saved without the encoder, or folded into it (`ser_tl.transfer.adapters`); a saved model has them folded in.
"""

from typing import Any, ClassVar

from torch import nn

from ser_tl.encoders import Block
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.model.peft_state import added_state
from ser_tl.transfer.adapter_config import AdapterConfig
from ser_tl.transfer.config import TransferConfig
from ser_tl.transfer.insertion import Adapters, Kind, places, planned
from ser_tl.transfer.strategy import NO_DECAY, STRATEGIES, Rates, Strategy, decayed


class Adapted(Strategy):
    """Adapters and everything above the encoder move.

    Args:
        unfreeze: refused
        config: `adapter` says which adapters, where, and how fast they learn
    """

    kind: ClassVar[Kind]
    moves_pretrained = False
    reads = frozenset({"adapter"})

    def __init__(self, unfreeze: int | None = None, config: TransferConfig | None = None) -> None:
        super().__init__(unfreeze, config)
        self.adapter = self.config.adapter

    def may_move(self, model: EmotionModel) -> list[Block]:
        """The blocks that have adapters, or will have them."""
        return [block for block, _ in places(model, self.kind, self.adapter)]

    def prepare(self, model: EmotionModel) -> None:
        """Puts the adapters in, unless the same are there already, and freezes all else of the encoder.

        Raises:
            ConfigError: the encoder has no place for them, or has other ones
        """
        wanted, present = planned(model, self.kind, self.adapter), Adapters.of(model.encoder)
        if present is None:
            wanted.insert(model.encoder)
        elif present != wanted:
            raise ConfigError(
                f"the encoder has other adapters already ({present.kind} in {len(present.modules)} layers, "
                f"{present.options}): train on with the same options, or fold them in first, by merge_adapter(model)"
            )
        model.requires_grad_(True)
        model.encoder.requires_grad_(False)
        for _, parameter in self._adapters(model):
            parameter.requires_grad_(True)

    def param_groups(self, model: EmotionModel, rates: Rates) -> list[dict[str, Any]]:
        """Head and adapters, each at its own rate.

        Of the adapters only LoRA's two matrices decay: a scale of IA3's or a length of DoRA's does nothing at one or at
        the base weight's length, not at zero.
        """
        encoder = {id(parameter) for parameter in model.encoder.parameters()}
        head = [one for one in model.parameters() if one.requires_grad and id(one) not in encoder]
        adapters = [(".lora_A." in name or ".lora_B." in name, one) for name, one in self._adapters(model)]
        rate = self.adapter.learning_rate
        groups = [{"name": "adapters", "params": [one for product, one in adapters if product], "lr": rate}]
        others = [one for product, one in adapters if not product]
        groups += [{"name": "adapters" + NO_DECAY, "params": others, "lr": rate, "weight_decay": 0.0}]
        return decayed("head", head, rates.head) + [group for group in groups if group["params"]]

    @staticmethod
    def _adapters(model: EmotionModel) -> list[tuple[str, nn.Parameter]]:
        added = added_state(model)
        return [(name, parameter) for name, parameter in model.named_parameters() if name in added]


@STRATEGIES.register("lora")
class Lora(Adapted):
    """Low-rank updates of the encoder's weights (Hu et al. 2021); DoRA and rank-stabilised scale are options."""

    kind: ClassVar[Kind] = "lora"


@STRATEGIES.register("ia3")
class IA3(Adapted):
    """Learned scales of keys, values and what the feed-forward part's second layer takes in (Liu et al. 2022).

    Args:
        unfreeze: refused
        config: `adapter` says where, and how fast they learn

    Raises:
        ConfigError: an option that only LoRA has
    """

    kind: ClassVar[Kind] = "ia3"

    def __init__(self, unfreeze: int | None = None, config: TransferConfig | None = None) -> None:
        super().__init__(unfreeze, config)
        usual = AdapterConfig()
        names = ("rank", "alpha", "dropout", "dora", "rslora")
        foreign = [name for name in names if getattr(self.adapter, name) != getattr(usual, name)]
        if foreign:
            raise ConfigError(f"transfer.adapter.{foreign[0]} is for --strategy lora: leave it out with ia3")
