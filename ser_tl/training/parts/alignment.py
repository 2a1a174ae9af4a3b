"""Domain alignment: the head's hidden layer is aligned between unlabelled and labelled clips.

    source and target Output --Alignment--> penalty; loss = (1 - weight) * the labels' loss + weight * penalty

Domains are aligned in the head's hidden layer, as deep adaptation networks are (Long et al. 2015): below it there are
few trainable weights if the encoder is frozen.
"""

from dataclasses import asdict
from typing import Any

from torch import nn

from ser_tl.errors import ConfigError
from ser_tl.training.part import PARTS, Losses, Part, Step, Training
from ser_tl.transfer.alignment import ALIGNMENTS, Alignment, Domain
from ser_tl.transfer.alignment_config import AlignmentConfig
from ser_tl.transfer.dann import dann_schedule

REPLACED_NOTE = (
    "the alignment ({}) acted in the hidden layer of a head that the refit has replaced: it still changed the weights "
    "below the head, of which there are none where the encoder is frozen and the pooling has none"
)


class AlignmentLoss(nn.Module):
    """The penalty on the distance of both domains, and its share of the loss.

    Args:
        alignment: the penalty
        config: its weight, and how that changes over the training
    """

    def __init__(self, alignment: Alignment, config: AlignmentConfig) -> None:
        super().__init__()
        self.alignment = alignment
        self.config = config

    def weight(self, done: float) -> float:
        """The alignment's share of the loss after the share `done` (0 to 1) of the training."""
        return self.config.weight * (dann_schedule(done) if self.config.schedule == "ramp" else 1.0)

    def forward(self, step: Step, losses: Losses) -> Losses:
        """Adds the penalty."""
        if step.target is None:
            return losses
        weight = self.weight(step.done)
        source = Domain(step.output.hidden, step.output.logits, step.batch.labels)
        penalty = self.alignment(source, Domain(step.target.hidden, step.target.logits, None), weight)
        return losses._replace(penalty=losses.penalty + penalty, weight=losses.weight * (1.0 - weight))


@PARTS.register("alignment")
class DomainAlignment(Part):
    """Alignment with the unlabelled clips of `fit`, if it is asked for.

    Args:
        config: which, and how strong; none if None
    """

    order = 80

    def __init__(self, config: AlignmentConfig | None = None) -> None:
        self.config = config or AlignmentConfig(method="none")
        self.pairs_domains = self.config.method != "none"
        self._notes: list[str] = []

    @property
    def requested_by(self) -> str:
        """The option."""
        return f"alignment.method is {self.config.method}"

    def bind(self, training: Training) -> None:  # noqa: ARG002
        """Refuses an unknown name now, and not after an hour of encoding."""
        if self.pairs_domains:
            ALIGNMENTS[self.config.method]

    def check(self, training: Training) -> None:
        """Refuses an alignment of no emotions, without steps or without another domain."""
        if not self.pairs_domains:
            return
        if not training.model.labels:
            raise ConfigError(
                f"{self.requested_by}, which is about the head of emotions, and dimensions.weight 1 learns "
                f"none: leave it out, or take a lower weight"
            )
        if not training.config.epochs:
            raise ConfigError(
                "train.epochs is 0, but an alignment acts in the steps of a training: choose alignment.method none, "
                "or train for an epoch or more"
            )
        if training.unlabelled is None:
            raise ConfigError(
                f"{self.requested_by}, but there are no unlabelled clips of another domain: recipes/mmd_alignment.py "
                f"has the option `target`, in Python it is fit(..., unlabelled=...); alignment.method none needs none"
            )
        self._notes = [REPLACED_NOTE.format(self.config.method)] if training.refits else []

    def loss(self, training: Training) -> nn.Module | None:
        """The penalty."""
        head = training.model.head
        if not self.pairs_domains or head is None:
            return None
        alignment = ALIGNMENTS[self.config.method](head.hidden_dim, len(training.model.labels))
        return AlignmentLoss(alignment, self.config)

    @property
    def facts(self) -> dict[str, Any]:
        """The options."""
        return {"alignment": asdict(self.config)} if self.pairs_domains else {}

    @property
    def notes(self) -> list[str]:
        """That a refit has replaced what was aligned."""
        return self._notes
