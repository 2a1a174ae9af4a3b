"""How far fine-tuning carried each block of an encoder from its pretrained weights.

Travel(model) before training ... distances() after -> {block: |w - w0| / |w0|}
"""

import torch

from ser_tl.model import EmotionModel


class Travel:
    """The distance of every block that reaches the head.

    Args:
        model: before training; a copy of its encoder's weights is kept on the CPU
    """

    def __init__(self, model: EmotionModel) -> None:
        self._blocks = [
            (block, [one.detach().cpu().clone() for one in block.modules.parameters()])
            for block in model.trainable_blocks()
        ]

    def distances(self) -> dict[str, float]:
        """Euclidean distance of each block's weights from where they began, as a share of their norm then."""
        found = {}
        for block, before in self._blocks:
            now = [one.detach().cpu() for one in block.modules.parameters()]
            moved = torch.stack([(one - old).square().sum() for one, old in zip(now, before, strict=True)]).sum()
            norm = torch.stack([old.square().sum() for old in before]).sum()
            found[block.name] = float((moved / norm).sqrt()) if norm else 0.0
        return found
