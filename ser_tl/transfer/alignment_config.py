"""The options of an alignment, checked where they enter."""

from dataclasses import dataclass
from typing import Literal

from ser_tl.errors import ConfigError


@dataclass(frozen=True)
class AlignmentConfig:
    """How the embeddings of a labelled source and an unlabelled target are drawn together.

    The loss is (1 - weight) * cross-entropy of the source + weight * penalty.

    Args:
        method: the penalty: none, or a name of `ALIGNMENTS` (mmd, coral, dann, class-mmd)
        weight: its share of the loss; 0.3 against 0.7 is what multi-kernel MMD is usually given
        schedule: a `constant` share, or a `ramp` from 0 to it over the training (Ganin et al. 2016, section 5.2.2)
        guard: end with an error where the aligned head answers the target unlike a classifier that isn't aligned, as
            one that has collapsed does
    """

    method: str = "mmd"
    weight: float = 0.3
    schedule: Literal["constant", "ramp"] = "constant"
    guard: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.weight < 1:
            raise ConfigError(
                f"alignment.weight is {self.weight}: expected a share of the loss between 0 and 1; alignment.method "
                f"none aligns nothing"
            )
