"""The base of strategies that train pretrained weights: layer-wise rate decay, and L2-SP regularisation.

layer_decay: rate of a block = layer_decay * rate of the block above it
l2sp: loss + l2sp / 2 * |w - w0|^2, in place of weight decay
"""

from torch import Tensor

from ser_tl.data.batching import Batch
from ser_tl.encoders import Block
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel, Output
from ser_tl.transfer.l2sp import L2SP
from ser_tl.transfer.strategy import LearningRates, Strategy, parameters_of


class FineTuning(Strategy):
    """A strategy that trains pretrained weights.

    Args:
        layer_decay: each block's rate is this times that of the block above it (Howard and Ruder 2018 take 1/2.6); 1
            gives all blocks one rate
        l2sp: weight of the squared distance to the pretrained weights (L2-SP, Li et al. 2018), in place of weight decay

    Raises:
        ConfigError: a value out of its range
    """

    def __init__(self, *, layer_decay: float = 1.0, l2sp: float = 0.0) -> None:
        if not 0 < layer_decay <= 1:
            raise ConfigError(
                f"strategy.layer_decay is {layer_decay}: expected more than 0 and at most 1, which is no decay"
            )
        if not l2sp >= 0:
            raise ConfigError(f"strategy.l2sp is {l2sp}: expected 0 or more")
        self.layer_decay, self.l2sp = layer_decay, l2sp
        self.needs_whole_weights = l2sp > 0
        self._anchor: L2SP | None = None

    @property
    def decays_weights(self) -> bool:
        """Not beside L2-SP, which replaces it."""
        return not self.l2sp

    def prepare(self, model: EmotionModel) -> None:
        """Sets `requires_grad`, and keeps the pretrained weights where they are pulled back to."""
        super().prepare(model)
        if self.l2sp:
            self._anchor = L2SP(parameters_of(self.trainable_blocks(model)), self.l2sp)

    def learning_rates(self, model: EmotionModel, rates: LearningRates) -> list[tuple[str, list[Block], float]]:
        """One group, or with layer decay one for each block."""
        return (
            super().learning_rates(model, rates)
            if self.layer_decay == 1.0
            else self.decayed_learning_rates(model, rates)
        )

    def decayed_learning_rates(self, model: EmotionModel, rates: LearningRates) -> list[tuple[str, list[Block], float]]:
        """A group for each block, the top first."""
        return [
            (block.name, [block], rates.encoder * self.layer_decay**depth)
            for depth, block in enumerate(reversed(self.trainable_blocks(model)))
        ]

    def penalty(self, output: Output, batch: Batch) -> Tensor | None:  # noqa: ARG002
        """L2-SP's, a scalar; None without it."""
        return None if self._anchor is None else self._anchor()


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
        raise ConfigError(f"strategy {strategy}: this encoder has no weights to train; use `strategy` frozen")
    if count is not None and count > len(blocks):
        raise ConfigError(
            f"strategy.blocks is {count}: the encoder has {len(blocks)} blocks that reach the head "
            f"({', '.join(block.name for block in blocks)}); `strategy` full moves all of them"
        )
    return blocks if count is None else blocks[-count:]


def check_blocks(blocks: int | None) -> None:
    """Refuses a number of blocks that is none.

    Raises:
        ConfigError: it is below one
    """
    if blocks is not None and blocks < 1:
        raise ConfigError(f"strategy.blocks is {blocks}: expected 1 or more; `strategy` frozen moves none")
