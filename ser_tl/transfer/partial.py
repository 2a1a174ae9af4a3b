"""The encoder's top blocks learn with the head; those below stay as they were pretrained."""

from ser_tl.encoders import Block
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.transfer.strategy import STRATEGIES, Strategy, set_moving


@STRATEGIES.register("partial")
class Partial(Strategy):
    """The top `unfreeze` blocks and the head move.

    Args:
        unfreeze: number of blocks, counted from the highest layer that the layer mix uses

    Raises:
        ConfigError: fewer than one block, or (later on) more than the encoder has
    """

    def __init__(self, unfreeze: int | None = None) -> None:
        self.unfreeze = 2 if unfreeze is None else unfreeze
        if self.unfreeze < 1:
            raise ConfigError(f"--unfreeze {unfreeze}: expected 1 or more; --strategy frozen moves none")

    def may_move(self, model: EmotionModel) -> list[Block]:
        """The top blocks."""
        blocks = model.trainable_blocks()
        if not blocks:
            raise ConfigError("--strategy partial: this encoder has no weights that could move; use --strategy frozen")
        if self.unfreeze > len(blocks):
            raise ConfigError(
                f"--unfreeze {self.unfreeze}: the encoder has {len(blocks)} blocks that reach the head "
                f"({', '.join(block.name for block in blocks)}); --strategy full moves all of them"
            )
        return blocks[-self.unfreeze :]

    def prepare(self, model: EmotionModel) -> None:
        """Freezes all but the top blocks."""
        moving = self.may_move(model)
        model.requires_grad_(True)
        model.encoder.requires_grad_(False)
        set_moving((block.modules for block in moving), True)
