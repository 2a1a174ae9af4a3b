"""The options of transfer: how fast what moves, when it joins, and what is added to the loss.

Which weights move is the strategy's name (`STRATEGIES`); what stands here refines it. Checked where it enters.
"""

from dataclasses import dataclass, field
from typing import Literal

from ser_tl.errors import ConfigError
from ser_tl.transfer.adapter_config import AdapterConfig


@dataclass(frozen=True)
class TransferConfig:
    """What refines a strategy.

    Args:
        layer_decay: each block's rate is this times that of the block above it (Howard and Ruder 2018 take 1/2.6); 1
            gives all blocks one rate
        l2sp: pull of the moving pretrained weights back to where they began (Li et al. 2018), in place of weight decay
        join: progressive only: the next block joins after a number of `epochs`, or when dev UAR has had a `plateau` of
            as many
        every: progressive only: that number of epochs
        join_warmup: progressive only: epochs over which a block's rate rises from zero once it has joined
        adapter: lora and ia3 only: which adapters, where, and how fast they learn
    """

    layer_decay: float = 1.0
    l2sp: float = 0.0
    join: Literal["epochs", "plateau"] = "epochs"
    every: int = 1
    join_warmup: float = 1.0
    adapter: AdapterConfig = field(default_factory=AdapterConfig)

    def __post_init__(self) -> None:
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(
                f"transfer.layer_decay is {self.layer_decay}: expected more than 0 and at most 1, which is no decay"
            )
        if self.every < 1:
            raise ConfigError(f"transfer.every is {self.every}: expected 1 or more epochs between blocks")
        for name in ("l2sp", "join_warmup"):
            if getattr(self, name) < 0:
                raise ConfigError(f"transfer.{name} is {getattr(self, name)}: expected 0 or more")


@dataclass(frozen=True)
class AlignmentConfig:
    """How the embeddings of a labelled source and an unlabelled target are drawn together.

    The loss is (1 - weight) * cross-entropy of the source + weight * penalty.

    Args:
        method: the penalty: none, or a name of `ALIGNMENTS` (mmd, coral, dann, class-mmd)
        weight: its share of the loss; 0.3 against 0.7 is what multi-kernel MMD is usually given
        schedule: a `constant` share, or a `ramp` from 0 to it over the training (Ganin et al. 2016, section 5.2.2)
    """

    method: str = "mmd"
    weight: float = 0.3
    schedule: Literal["constant", "ramp"] = "constant"

    def __post_init__(self) -> None:
        if not 0 < self.weight < 1:
            raise ConfigError(
                f"alignment.weight is {self.weight}: expected a share of the loss between 0 and 1; --alignment.method "
                f"none aligns nothing"
            )
