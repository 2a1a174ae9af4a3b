"""The encoder's blocks begin to learn one after the other, from the head down.

    history --which blocks have joined, and when--> moving blocks, and the warm-up of each one's rate

A random head sends noise into the encoder; by the time a block joins, those above it have settled (Howard and Ruder
2018, section 3.3). Blocks that move already keep the optimizer's memory of them, since nothing is built anew.
"""

from ser_tl.encoders import Block
from ser_tl.model import EmotionModel
from ser_tl.transfer.config import TransferConfig
from ser_tl.transfer.partial import top_blocks
from ser_tl.transfer.strategy import STRATEGIES, History, Rates, Strategy


@STRATEGIES.register("progressive")
class Progressive(Strategy):
    """The head alone first; then the next block down joins every few epochs, or whenever dev UAR stalls.

    Args:
        unfreeze: how many blocks join in the end; all that reach the head if None
        config: `join`, `every` and `join_warmup` say when and how gently

    Raises:
        ConfigError: fewer than one block, or (later on) more than the encoder has
    """

    takes_unfreeze = True
    reads = frozenset({"join", "every", "join_warmup"})

    def __init__(self, unfreeze: int | None = None, config: TransferConfig | None = None) -> None:
        super().__init__(unfreeze, config)
        self._blocks: set[str] = set()
        self._joined: dict[str, int] = {}  # names of the moving blocks, and the epoch (from 0) in which each joined

    def may_move(self, model: EmotionModel) -> list[Block]:
        """All blocks that join at some time."""
        return top_blocks(model, self.unfreeze, "progressive")

    def prepare(self, model: EmotionModel) -> None:
        """Freezes all blocks that haven't joined before the first epoch, which is all of them."""
        super().prepare(model)
        self.on_epoch_start(model, [])

    def on_epoch_start(self, model: EmotionModel, history: History) -> bool:
        """Lets the blocks move that are due."""
        blocks = self.may_move(model)
        self._blocks = {block.name for block in blocks}
        joins = self.joins(history)[: len(blocks)]
        self._joined = {block.name: epoch for block, epoch in zip(reversed(blocks), joins, strict=False)}
        changed = False
        for block in blocks:
            for parameter in block.modules.parameters():
                changed |= parameter.requires_grad != (block.name in self._joined)
                parameter.requires_grad_(block.name in self._joined)
        return changed

    def joins(self, history: History) -> list[int]:
        """The epochs (from 0) in which a block has joined, up to the one after the history."""
        every = self.config.every
        if self.config.join == "epochs":
            return list(range(every, len(history) + 1, every))
        found, best, stale = [], float("-inf"), 0
        for epoch, record in enumerate(history, 1):
            score = record["dev_uar"] if "dev_uar" in record else record["dev_ccc"]  # of dimensions alone
            stale = 0 if score > best else stale + 1
            best = max(best, score)
            if stale >= every:
                found.append(epoch)
                stale = 0  # the new block has as long to show what it brings
        return found

    def block_rates(self, model: EmotionModel, rates: Rates) -> list[tuple[str, list[Block], float]]:
        """A group for each block: each has a warm-up of its own."""
        return [
            (block.name, [block], rates.encoder * self.config.layer_decay**depth)
            for depth, block in enumerate(reversed(self.may_move(model)))
        ]

    def rate_scale(self, group: str, done: float) -> float:
        """Rises from 0 to 1 over `join_warmup` epochs since the block joined; 0 before."""
        if group not in self._blocks:  # the head's, or a penalty's
            return 1.0
        if group not in self._joined:
            return 0.0
        since = done - self._joined[group]
        return min(1.0, since / self.config.join_warmup) if self.config.join_warmup else 1.0
