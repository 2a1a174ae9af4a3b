"""The whole model learns."""

from ser_tl.encoders import Block
from ser_tl.model import EmotionModel
from ser_tl.transfer.strategy import STRATEGIES, Strategy


@STRATEGIES.register("full")
class Full(Strategy):
    """Every block that reaches the head moves; a layer above the highest in the layer mix has no say and stays."""

    def may_move(self, model: EmotionModel) -> list[Block]:
        """All blocks that reach the head."""
        return model.trainable_blocks()
