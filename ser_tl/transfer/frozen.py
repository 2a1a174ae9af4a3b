"""Only the head is trained: the encoder is a fixed feature extractor, run without a graph."""

from ser_tl.encoders import Block
from ser_tl.model import EmotionModel
from ser_tl.transfer.strategy import STRATEGIES, Strategy


@STRATEGIES.register("frozen")
class Frozen(Strategy):
    """Everything above the encoder is trained; the encoder is frozen."""

    def trainable_blocks(self, model: EmotionModel) -> list[Block]:  # noqa: ARG002
        """No block."""
        return []
