"""The encoder's top blocks learn with the head; those below stay as they were pretrained."""

from ser_tl.encoders import Block
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.transfer.config import TransferConfig
from ser_tl.transfer.strategy import STRATEGIES, Strategy


@STRATEGIES.register("partial")
class Partial(Strategy):
    """The top `unfreeze` blocks and the head move.

    Args:
        unfreeze: number of blocks, counted from the highest layer that the layer mix uses; 2 if None
        config: what refines it

    Raises:
        ConfigError: fewer than one block, or (later on) more than the encoder has
    """

    takes_unfreeze = True

    def __init__(self, unfreeze: int | None = None, config: TransferConfig | None = None) -> None:
        super().__init__(2 if unfreeze is None else unfreeze, config)

    def may_move(self, model: EmotionModel) -> list[Block]:
        """The top blocks."""
        return top_blocks(model, self.unfreeze, "partial")


def top_blocks(model: EmotionModel, count: int | None, strategy: str) -> list[Block]:
    """The top blocks of the encoder that reach the head, input side first.

    Args:
        model: whose encoder
        count: how many; all if None
        strategy: which asks, for messages

    Raises:
        ConfigError: more than there are, or there is none
    """
    blocks = model.trainable_blocks()
    if not blocks:
        raise ConfigError(f"--strategy {strategy}: this encoder has no weights that could move; use --strategy frozen")
    if count is not None and count > len(blocks):
        raise ConfigError(
            f"--unfreeze {count}: the encoder has {len(blocks)} blocks that reach the head "
            f"({', '.join(block.name for block in blocks)}); --strategy full moves all of them"
        )
    return blocks if count is None else blocks[-count:]
