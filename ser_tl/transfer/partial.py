"""The encoder's top blocks are trained with the head; those below stay frozen."""

from ser_tl.encoders import Block
from ser_tl.model import EmotionModel
from ser_tl.transfer.fine_tuning import FineTuning, check_blocks, top_blocks
from ser_tl.transfer.strategy import STRATEGIES


@STRATEGIES.register("partial")
class Partial(FineTuning):
    """The top blocks and the head are trained.

    Args:
        blocks: how many, counted from the highest layer that the layer mix uses
        layer_decay: each block's rate is this times that of the block above it (Howard and Ruder 2018 take 1/2.6); 1
            gives all blocks one rate
        l2sp: weight of the squared distance to the pretrained weights (L2-SP, Li et al. 2018), in place of weight decay

    Raises:
        ConfigError: fewer than one block, or (later on) more than the encoder has
    """

    def __init__(self, blocks: int = 2, *, layer_decay: float = 1.0, l2sp: float = 0.0) -> None:
        super().__init__(layer_decay=layer_decay, l2sp=l2sp)
        check_blocks(blocks)
        self.blocks = blocks

    def trainable_blocks(self, model: EmotionModel) -> list[Block]:
        """The top blocks."""
        return top_blocks(model, self.blocks, "partial")
