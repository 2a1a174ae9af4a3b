"""Class imbalance in a training: weights, sampling, the loss, and the facts for the report.

    BalanceConfig, emotions of the training part --ClassSizes.from_emotions--> ClassSizes
    ClassSizes -> criterion, clips of an epoch, facts, notes

All of it acts on training clips in training steps. Dev and test keep their utterances as they are, and are scored by
figures that weigh classes alike (UAR). Weights and priors are computed from the clips of an epoch: where classes are
sampled to equal sizes, weights by frequency are 1, and nothing is corrected twice.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from ser_tl.data.batching import Clips
from ser_tl.data.corpus_balance import share_classes, weigh_corpora
from ser_tl.data.sampling import class_size, draw_balanced, draw_groups
from ser_tl.data.schema import SYNTHETIC
from ser_tl.errors import ConfigError
from ser_tl.modules.losses import Criterion, class_weights
from ser_tl.training.part import PARTS, Losses, Part, Step, Training
from ser_tl.training.parts.balance_config import BalanceConfig as BalanceConfig
from ser_tl.training.parts.synthetic import SyntheticClips

_WEIGHTS = "corpus_weight"  # among what clips bring beside their labels


@dataclass(frozen=True)
class ClassSizes:
    """The sizes of the classes in one training, and the balancing that follows from them.

    Args:
        config: the options
        labels: the C classes
        classes: of each training utterance, as an index of the labels
        epoch_counts: clips of each class in an epoch
        seed: chooses the clips of an epoch
        corpora: of each training utterance, where they are balanced; empty where not
    """

    config: BalanceConfig
    labels: list[str]
    classes: list[int]
    epoch_counts: list[int]
    seed: int = 0
    corpora: Sequence[str] = ()

    @classmethod
    def from_emotions(
        cls,
        config: BalanceConfig,
        emotions: Sequence[str],
        labels: Sequence[str],
        seed: int = 0,
        processes: int = 1,
        corpora: Sequence[str] = (),
    ) -> Self:
        """The class sizes of a training part.

        Args:
            config: the options
            emotions: of each training utterance, all of them labels
            labels: the classes, each with an utterance
            seed: chooses the clips of an epoch
            processes: each of which needs a clip in an epoch
            corpora: of each training utterance, needed where they are to be balanced

        Raises:
            ConfigError: a factor for a class that isn't there, undersampling to fewer clips than processes, or one
                corpus where several are to be balanced
        """
        unknown = sorted(set(config.alpha) - set(labels))
        if unknown:
            raise ConfigError(f"balance.alpha names {', '.join(unknown)}: the classes are {', '.join(labels)}")
        index = {label: number for number, label in enumerate(labels)}
        classes = [index[emotion] for emotion in emotions]
        counts = _count_classes(classes, len(labels))
        is_sampled = config.sampling != "none"
        epoch_counts = [class_size(counts, config.sampling)] * len(labels) if is_sampled else counts
        if config.corpora == "none":
            corpora = ()
        elif len(set(corpora)) < 2:
            raise ConfigError(
                f"balance.corpora is {config.corpora}, and the training part is of {', '.join(set(corpora)) or 'one'} "
                f"alone: leave it out, or name several corpora (`corpus` 'ravdess:ROOT+emodb:ROOT')"
            )
        if config.corpora == "sampling":
            groups, shares = share_classes(classes, corpora, epoch_counts)
            counted = Counter(dict.fromkeys(range(len(labels)), 0))
            for group, number in dict(zip(groups, classes, strict=True)).items():
                counted[number] += shares[group]
            epoch_counts = [counted[number] for number in range(len(labels))]
        if sum(epoch_counts) < processes:
            raise ConfigError(
                f"balance.sampling {config.sampling} leaves {sum(epoch_counts)} clips in an epoch, which can't feed "
                f"{processes} processes: use fewer of them, or balance.sampling over"
            )
        return cls(config, list(labels), classes, epoch_counts, seed, corpora)

    def with_synthetic(self, classes: Sequence[int]) -> Self:
        """The same, with synthetic clips of these classes beside the real ones."""
        synthetic_counts = _count_classes(classes, len(self.labels))
        return replace(
            self, epoch_counts=[real + new for real, new in zip(self.epoch_counts, synthetic_counts, strict=True)]
        )

    @property
    def draw(self) -> Callable[[int], list[int]] | None:
        """The clips of an epoch, by its number; None where it takes every clip once."""
        if self.config.corpora == "sampling":
            counts = _count_classes(self.classes, len(self.labels))
            is_sampled = self.config.sampling != "none"
            sizes = [class_size(counts, self.config.sampling)] * len(counts) if is_sampled else counts
            groups, shares = share_classes(self.classes, self.corpora, sizes)
            return lambda epoch: draw_groups(groups, shares, self.seed, epoch)
        if self.config.sampling == "none":
            return None
        return lambda epoch: draw_balanced(self.classes, self.config.sampling, self.seed, epoch)

    @property
    def weights(self) -> Tensor | None:
        """Weights (C,) of the classes; None where all weigh alike."""
        config = self.config
        weights = None
        if config.weights != "none":
            weights = class_weights(self.epoch_counts, config.beta if config.weights == "effective" else 1.0)
        if config.alpha:
            alpha = torch.tensor([config.alpha.get(label, 1.0) for label in self.labels])
            weights = alpha if weights is None else weights * alpha
        return weights

    def build_criterion(self, smoothing: float) -> Criterion:
        """The loss.

        Args:
            smoothing: share of the target spread over all classes
        """
        counts = torch.tensor(self.epoch_counts, dtype=torch.float32)
        config = self.config
        return Criterion(
            self.weights,
            smoothing=smoothing,
            gamma=config.focal,
            prior=counts / counts.sum(),
            tau=config.logit_adjustment,
        )

    @property
    def facts(self) -> dict[str, Any]:
        """The changed options, the training utterances of each class, and the clips of an epoch."""
        utterances = _count_classes(self.classes, len(self.labels))
        counts_by_name = {"utterances": utterances, "heard": self.epoch_counts}
        return (
            {"weights": self.config.weights}
            | self.config.changed
            | {name: dict(zip(self.labels, counts, strict=True)) for name, counts in counts_by_name.items()}
        )

    def describe(self, *, refit: bool, views: bool = False) -> list[str]:
        """A sentence on the balancing; none for the default, weights by inverse frequency alone.

        Args:
            refit: whether the classifier was refitted in the end
            views: whether on augmented views besides
        """
        config = self.config
        if config == BalanceConfig():
            return []
        measures = []
        if config.sampling != "none":
            measures.append(f"{config.sampling}sampling")
        if config.synthesise != "none":
            measures.append(f"synthetic clips ({config.synthesise})")
        if config.corpora != "none":
            measures.append(f"corpora alike within each class (by {config.corpora})")
        if config.weights == "effective":
            measures.append(f"weights by the effective number of utterances (beta {config.beta:g})")
        if config.weights == "inverse" and not measures:
            measures.append("weights by inverse frequency")
        if config.alpha:
            measures.append("factors " + ", ".join(f"{name} {factor:g}" for name, factor in config.alpha.items()))
        if config.focal:
            measures.append(f"focal loss (gamma {config.focal:g})")
        if config.logit_adjustment:
            measures.append(f"logit adjustment (tau {config.logit_adjustment:g})")
        counts = zip(self.labels, _count_classes(self.classes, len(self.labels)), self.epoch_counts, strict=True)
        sizes = ", ".join(f"{name} {real}" + f" to {in_epoch}" * (real != in_epoch) for name, real, in_epoch in counts)
        what = " and ".join(measures) or "their sizes were not balanced"
        note = f"classes in training: {what}; clips of each: {sizes}"
        alike = ", corpora weighted alike" * (config.corpora != "none")
        note += f"; the refitted classifier takes every real clip once{', and its views' * views}{alike}" * refit
        return [note + ". Dev and test are as they were"]


def _count_classes(classes: Sequence[int], number: int) -> list[int]:
    counts = Counter(classes)
    return [counts[index] for index in range(number)]


class EmotionLoss(nn.Module):
    """The loss of emotions: the first of all."""

    def __init__(self, criterion: nn.Module) -> None:
        super().__init__()
        self.criterion = criterion

    def forward(self, step: Step, losses: Losses) -> Losses:
        """The criterion's value for each clip, by the weight of its corpus."""
        values = self.criterion(step.output.logits, step.batch.labels, step.batch.targets)
        weights = step.batch.auxiliary.get(_WEIGHTS)
        return losses._replace(utterances=values if weights is None else values * weights)


@PARTS.register("balance")
class ClassBalance(Part):
    """The loss of emotions, and class imbalance.

    Args:
        config: weights, sampling and loss
    """

    order = 30

    def __init__(self, config: BalanceConfig | None = None) -> None:
        self.config = config or BalanceConfig()
        self.adds_clip_targets = self.config.corpora == "weights"
        self.balances_corpora = self.config.corpora != "none"
        self.balance: ClassSizes | None = None
        self._notes: list[str] = []

    @property
    def voided_by_refit(self) -> str:
        """The options that aren't the default, but for the balance of corpora, which a refit has as well."""
        return ", ".join(f"balance.{name}" for name in self.config.changed if name != "corpora")

    def bind(self, training: Training) -> None:
        """Refuses options where no emotions are learned."""
        if not training.model.labels and self.config != BalanceConfig():
            raise ConfigError(
                "dimensions.weight is 1, so no emotions are learned: leave the balance and labels options out"
            )

    def check(self, training: Training) -> None:
        """Refuses to balance corpora where there is one, or where clips are of none."""
        if self.balances_corpora and SYNTHETIC in training.train["speaker"][:]:
            raise ConfigError(
                f"balance.corpora is {self.config.corpora}, and synthetic clips are of no corpus: leave one of the two "
                f"out"
            )
        if self.balances_corpora:
            self._count(training)

    def tables(self, training: Training) -> Mapping[str, np.ndarray]:
        """The weight of each clip's corpus, where corpora are balanced by weights."""
        if self.config.corpora != "weights" or not training.model.labels:
            return {}
        return {_WEIGHTS: weigh_corpora(training.train["emotion"][:], training.train["corpus"][:])}

    def _count(self, training: Training) -> ClassSizes:
        train, processes = training.train, training.accelerator.num_processes
        emotions, corpora = train["emotion"][:], train["corpus"][:]
        return ClassSizes.from_emotions(self.config, emotions, training.model.labels, training.seed, processes, corpora)

    def prepare(self, training: Training, clips: Clips) -> Clips:
        """Counts the classes."""
        if training.model.labels:
            balance = self._count(training)
            synthetic = clips.classes if isinstance(clips, SyntheticClips) else []
            self.balance = balance.with_synthetic(synthetic) if synthetic else balance
            self._notes = self.balance.describe(refit=training.refits, views=training.views is not None)
        return clips

    def loss(self, training: Training) -> nn.Module | None:
        """The criterion; none where no emotions are learned."""
        return (
            None if self.balance is None else EmotionLoss(self.balance.build_criterion(training.config.label_smoothing))
        )

    def draw(self, epoch: int) -> list[int] | None:
        """The sampled clips of an epoch."""
        draw = None if self.balance is None else self.balance.draw
        return None if draw is None else draw(epoch)

    @property
    def facts(self) -> dict[str, Any]:
        """The options, and the sizes of the classes."""
        return {} if self.balance is None else {"balance": self.balance.facts}

    @property
    def notes(self) -> list[str]:
        """The balancing, where it isn't the default."""
        return self._notes
