"""Domain alignment: the head's hidden layer is aligned between unlabelled and labelled clips.

    source and target Output --Alignment--> penalty; loss = (1 - weight) * the labels' loss + weight * penalty

Domains are aligned in the head's hidden layer, as deep adaptation networks are (Long et al. 2015): below it there are
few trainable weights if the encoder is frozen. Source speakers don't show whether an alignment has collapsed: in the
end the head's answers for the target are compared with those of a closed-form discriminant, which isn't aligned.
"""

from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from ser_tl.data.batching import Clips
from ser_tl.errors import AdaptationError, ConfigError
from ser_tl.inference.clips import CollectedValues, collect_clips, embed_batch, evaluation_mode
from ser_tl.modules.agreement import measure_kappa
from ser_tl.modules.discriminant import build_discriminant
from ser_tl.training.part import PARTS, Losses, Part, Step, Training
from ser_tl.transfer.alignment import ALIGNMENTS, Alignment, Domain
from ser_tl.transfer.alignment_config import AlignmentConfig
from ser_tl.transfer.dann import dann_schedule

LEAST_AGREEMENT = 0.2
"""Of the aligned head with a discriminant that isn't aligned, above chance: one that has collapsed has about 0."""

SHRINKAGE = 0.5  # of that discriminant
LEAST_SPREAD = 1e-3  # of a channel: one that is silent isn't blown up

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


@torch.no_grad()
def compare_aligned(training: Training) -> float:
    """How far a trained head and a discriminant of the source agree on the target, above chance.

    Both see the same embeddings; the discriminant's have the target's own statistics, unless the model's have.
    """
    model, classes = training.model, len(training.model.labels)
    clips = training.unlabelled_clips
    if clips is None:
        raise TypeError("an alignment has unlabelled clips")

    def embed(clips: Clips) -> CollectedValues:
        return collect_clips(
            [model], clips, lambda batch: embed_batch(model, batch, training.norms), training.evaluation
        )

    source, target = embed(training.real_clips), embed(clips)
    rows, others = (torch.from_numpy(part.values).float() for part in (source, target))
    labels = torch.from_numpy(source.labels).long()
    with evaluation_mode(model):
        aligned = model.classify(others.to(model.device)).logits.argmax(dim=1).cpu()
    if model.config.statistics == "training":
        rows, others = (
            (part - part.mean(dim=0)) / part.std(dim=0, correction=0).clamp_min(LEAST_SPREAD) for part in (rows, others)
        )
    discriminant = build_discriminant(rows, labels, classes, SHRINKAGE, 1.0)
    return measure_kappa(aligned, discriminant(others).argmax(dim=1), classes)


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
        self.agreement: float | None = None
        self._notes: list[str] = []

    @property
    def requested_by(self) -> str:
        """The option."""
        return f"alignment.method is {self.config.method}"

    @property
    def voided_by_refit(self) -> str:
        """The alignment, which acts in the head."""
        return "alignment.method" if self.pairs_domains else ""

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

    def finish(self, training: Training) -> None:
        """Refuses a head that answers the target unlike a classifier that isn't aligned.

        Raises:
            AdaptationError: with what was measured, and the way out
        """
        if not self.pairs_domains or training.refits or training.config.shard:  # a shard of a head answers nothing
            return
        self.agreement = compare_aligned(training)
        if self.config.guard and self.agreement < LEAST_AGREEMENT:
            raise AdaptationError(
                f"alignment ({self.config.method}): the aligned head agrees with a discriminant of the source that "
                f"isn't aligned on too few answers for the target: {self.agreement:.2f} above chance, expected "
                f"{LEAST_AGREEMENT} or more. It has probably collapsed: lower alignment.weight, train fewer epochs, or "
                f"take train.refit discriminant with model.statistics corpus (alignment.guard false keeps it)"
            )

    @property
    def facts(self) -> dict[str, Any]:
        """The options, and how far the aligned head agrees with a classifier that isn't aligned."""
        options = {name: value for name, value in asdict(self.config).items() if name != "guard"}
        measured = {} if self.agreement is None else {"alignment_agreement": self.agreement}
        return {"alignment": options} | measured if self.pairs_domains else {}

    @property
    def notes(self) -> list[str]:
        """That a refit has replaced what was aligned."""
        return self._notes
