"""Supervised contrastive loss: clips of one emotion are drawn together, those of others are pushed apart.

    hidden (B, H) -> projection -> unit vectors --similarities / temperature--> a loss for each clip

Khosla et al. 2020, equation 2 (the sum over positives outside of the logarithm). A clip without another of its emotion
in the batch has no loss, so batches should have several of each (`train.batch_seconds`).
"""

from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.nn import functional

from ser_tl.errors import ConfigError
from ser_tl.training.part import PARTS, Losses, Part, Step, Training


@PARTS.register("contrastive")
@dataclass
class SupervisedContrastive(Part):
    """Adds the supervised contrastive loss to that of emotions.

    Args:
        weight: what it is multiplied by
        temperature: of the similarities
        width: of the projection
    """

    weight: float = 0.5
    temperature: float = 0.1
    width: int = 128

    def __post_init__(self) -> None:
        for option in ("weight", "temperature", "width"):
            if not getattr(self, option) > 0:
                raise ConfigError(f"parts.contrastive.{option} is {getattr(self, option)}: expected more than 0")

    def loss(self, training: Training) -> nn.Module | None:
        """The loss; none where no emotions are learned."""
        head = training.model.head
        return None if head is None else ContrastiveLoss(self, head.hidden_dim)

    @property
    def facts(self) -> dict[str, dict[str, float]]:
        """The options."""
        return {"contrastive": asdict(self)}


class ContrastiveLoss(nn.Module):
    """The loss of each clip; projections live as long as the training does."""

    def __init__(self, config: SupervisedContrastive, hidden: int) -> None:
        super().__init__()
        self.config = config
        self.project = nn.Linear(hidden, config.width)

    def forward(self, step: Step, losses: Losses) -> Losses:
        """Adds it."""
        vectors = functional.normalize(self.project(step.output.hidden).float(), dim=-1)
        alike = step.batch.labels[:, None] == step.batch.labels
        itself = torch.eye(len(alike), dtype=torch.bool, device=alike.device)
        similarity = (vectors @ vectors.T / self.config.temperature).masked_fill(itself, -torch.inf)
        logs = similarity.log_softmax(dim=-1).masked_fill(itself, 0.0)
        positives = alike & ~itself
        loss = -(positives * logs).sum(dim=-1) / positives.sum(dim=-1).clamp_min(1)
        return losses._replace(utterances=losses.utterances + self.config.weight * loss)
