"""The options of adapters, checked where they enter."""

from dataclasses import dataclass

from ser_tl.errors import ConfigError


@dataclass(frozen=True)
class AdapterConfig:
    """Which adapters go into the encoder, and how fast they learn.

    Args:
        rank: width of LoRA's bottleneck
        alpha: what LoRA's product is scaled by, over the rank
        dropout: share of LoRA's input channels dropped in training
        dora: learn the length of each of the weight's rows apart from its direction (Liu et al. 2024)
        rslora: scale by alpha over the rank's root, so that high ranks still learn (Kalajdzievski 2023)
        targets: names of the linear or convolutional layers that get adapters, or of what holds them: [q_proj, v_proj],
            [feed_forward]; the usual ones of the encoder's family if None
        blocks: adapters in so many of the top blocks that can have some; in all that reach the head if None
        learning_rate: of the adapters, at the schedule's peak
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    dora: bool = False
    rslora: bool = False
    targets: list[str] | None = None
    blocks: int | None = None
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(
                f"transfer.adapter.rank is {self.rank}: expected 1 or more; --strategy frozen has no adapters"
            )
        for name in ("alpha", "learning_rate"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"transfer.adapter.{name} is {getattr(self, name)}: expected more than 0")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"transfer.adapter.dropout is {self.dropout}: expected a share from 0 to below 1")
        if self.blocks is not None and self.blocks < 1:
            raise ConfigError(
                f"transfer.adapter.blocks is {self.blocks}: expected 1 or more, or null for all; --strategy "
                f"frozen has none"
            )
        if self.targets is not None and (isinstance(self.targets, str) or not self.targets):
            raise ConfigError(
                f"transfer.adapter.targets is {self.targets!r}: expected a list of names, as [q_proj, v_proj], or null "
                f"for the usual ones"
            )
