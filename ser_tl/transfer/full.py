"""The whole model learns."""

from ser_tl.model import EmotionModel
from ser_tl.transfer.strategy import STRATEGIES, Strategy, set_moving


@STRATEGIES.register("full")
class Full(Strategy):
    """Every block that reaches the head moves; a layer above the highest in the layer mix has no say and stays."""

    def prepare(self, model: EmotionModel) -> None:
        """Unfreezes all blocks that reach the head."""
        model.requires_grad_(True)
        model.encoder.requires_grad_(False)
        set_moving((block.modules for block in model.trainable_blocks()), True)
