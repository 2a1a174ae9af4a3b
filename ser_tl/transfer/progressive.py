"""Progressive unfreezing: the encoder's blocks are unfrozen one after the other, from the head down.

    history --unfreeze_epochs--> trainable blocks, and the warm-up of each one's rate

A random head sends noisy gradients into the encoder; when a block is unfrozen, those above it have settled (Howard and
Ruder 2018, section 3.3). Blocks that are trainable already keep their optimizer state.
"""

from typing import Literal

from ser_tl.encoders import Block
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.transfer.fine_tuning import FineTuning, check_blocks, top_blocks
from ser_tl.transfer.strategy import STRATEGIES, History, LearningRates


@STRATEGIES.register("progressive")
class Progressive(FineTuning):
    """Trains the head alone first, then unfreezes the next block down every few epochs, or whenever dev UAR stalls.

    Args:
        blocks: number of blocks unfrozen in the end; all that reach the head if None
        every: epochs until the next block is unfrozen
        trigger: which epochs count: all of them (`epochs`), or those in a row without a better dev UAR (`plateau`)
        warmup: epochs over which a block's rate rises from zero once it is unfrozen
        layer_decay: each block's rate is this times that of the block above it (Howard and Ruder 2018 take 1/2.6); 1
            gives all blocks one rate
        l2sp: weight of the squared distance to the pretrained weights (L2-SP, Li et al. 2018), in place of weight decay

    Raises:
        ConfigError: fewer than one block or epoch, or (later on) more blocks than the encoder has
    """

    def __init__(
        self,
        blocks: int | None = None,
        *,
        every: int = 1,
        trigger: Literal["epochs", "plateau"] = "epochs",
        warmup: float = 1.0,
        layer_decay: float = 1.0,
        l2sp: float = 0.0,
    ) -> None:
        super().__init__(layer_decay=layer_decay, l2sp=l2sp)
        check_blocks(blocks)
        if every < 1:
            raise ConfigError(f"strategy.every is {every}: expected 1 or more epochs between blocks")
        if trigger not in ("epochs", "plateau"):
            raise ConfigError(f"strategy.trigger is {trigger!r}: expected epochs or plateau")
        if not warmup >= 0:
            raise ConfigError(f"strategy.warmup is {warmup}: expected 0 or more epochs")
        self.blocks, self.every, self.trigger, self.warmup = blocks, every, trigger, warmup
        self._blocks: set[str] = set()
        self._joined: dict[str, int] = {}  # names of the moving blocks, and the epoch (from 0) in which each joined

    def trainable_blocks(self, model: EmotionModel) -> list[Block]:
        """All blocks that are unfrozen at some time."""
        return top_blocks(model, self.blocks, "progressive")

    def prepare(self, model: EmotionModel) -> None:
        """Freezes all blocks."""
        super().prepare(model)
        self.on_epoch_start(model, [])

    def on_epoch_start(self, model: EmotionModel, history: History) -> bool:
        """Unfreezes the blocks that are due."""
        blocks = self.trainable_blocks(model)
        self._blocks = {block.name for block in blocks}
        joins = self.unfreeze_epochs(history)[: len(blocks)]
        self._joined = {block.name: epoch for block, epoch in zip(reversed(blocks), joins, strict=False)}
        changed = False
        for block in blocks:
            for parameter in block.modules.parameters():
                changed |= parameter.requires_grad != (block.name in self._joined)
                parameter.requires_grad_(block.name in self._joined)
        return changed

    def unfreeze_epochs(self, history: History) -> list[int]:
        """The epochs (from 0) in which a block was unfrozen, up to the one after the history."""
        every = self.every
        if self.trigger == "epochs":
            return list(range(every, len(history) + 1, every))
        epochs, best, stale = [], float("-inf"), 0
        for epoch, record in enumerate(history, 1):
            score = record["dev_uar"] if "dev_uar" in record else record["dev_ccc"]  # of dimensions alone
            stale = 0 if score > best else stale + 1
            best = max(best, score)
            if stale >= every:
                epochs.append(epoch)
                stale = 0  # the new block has as long to show what it brings
        return epochs

    def learning_rates(self, model: EmotionModel, rates: LearningRates) -> list[tuple[str, list[Block], float]]:
        """A group for each block: each has its own warm-up."""
        return self.decayed_learning_rates(model, rates)

    def lr_scale(self, group: str, done: float) -> float:
        """Rises from 0 to 1 over `warmup` epochs since the block was unfrozen; 0 before."""
        if group not in self._blocks:  # the head's, or a penalty's
            return 1.0
        if group not in self._joined:
            return 0.0
        since = done - self._joined[group]
        return min(1.0, since / self.warmup) if self.warmup else 1.0
