"""The whole model is trained."""

from ser_tl.encoders import Block
from ser_tl.model import EmotionModel
from ser_tl.transfer.fine_tuning import FineTuning
from ser_tl.transfer.strategy import STRATEGIES


@STRATEGIES.register("full")
class Full(FineTuning):
    """Every block that reaches the head is trained; blocks above the highest layer in use stay frozen.

    Args:
        layer_decay: each block's rate is this times that of the block above it (Howard and Ruder 2018 take 1/2.6); 1
            gives all blocks one rate
        l2sp: weight of the squared distance to the pretrained weights (L2-SP, Li et al. 2018), in place of weight decay
    """

    def __init__(self, *, layer_decay: float = 1.0, l2sp: float = 0.0) -> None:
        super().__init__(layer_decay=layer_decay, l2sp=l2sp)

    def trainable_blocks(self, model: EmotionModel) -> list[Block]:
        """All blocks that reach the head."""
        return model.trainable_blocks()
