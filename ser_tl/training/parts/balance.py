"""What a training does about classes of different sizes, and what a report has to tell of it.

    BalanceConfig, emotions of the training part --Balance.of--> Balance: criterion, clips of an epoch, facts, notes

All of it acts on training clips in training steps. Dev and test keep their utterances as they are, and are scored by
figures that weigh classes alike (UAR). Weights and priors are those of the clips that an epoch hears: where classes are
sampled to be alike, weights by frequency are 1, and nothing is made up for twice.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from ser_tl.data.batching import Clips
from ser_tl.data.sampling import class_size, draw_balanced
from ser_tl.errors import ConfigError
from ser_tl.modules.losses import Criterion, class_weights
from ser_tl.training.part import PARTS, Losses, Part, Step, Training
from ser_tl.training.parts.balance_config import BalanceConfig as BalanceConfig
from ser_tl.training.parts.synthetic import SyntheticClips


@dataclass(frozen=True)
class Balance:
    """What is done in one training.

    Args:
        config: what was asked for
        labels: the C classes
        classes: of each training utterance, by its place among the labels
        heard: clips of each class in an epoch
        seed: chooses the clips of an epoch
    """

    config: BalanceConfig
    labels: list[str]
    classes: list[int]
    heard: list[int]
    seed: int = 0

    @classmethod
    def of(
        cls, config: BalanceConfig, emotions: Sequence[str], labels: Sequence[str], seed: int = 0, processes: int = 1
    ) -> Self:
        """What to do with a training part.

        Args:
            config: what is asked for
            emotions: of each training utterance, all of them labels
            labels: the classes, each with an utterance
            seed: chooses the clips of an epoch
            processes: each of which needs a clip in an epoch

        Raises:
            ConfigError: a factor for a class that isn't there, or undersampling to fewer clips than processes
        """
        strangers = sorted(set(config.alpha) - set(labels))
        if strangers:
            raise ConfigError(f"balance.alpha names {', '.join(strangers)}: the classes are {', '.join(labels)}")
        place = {label: number for number, label in enumerate(labels)}
        classes = [place[emotion] for emotion in emotions]
        counts = _counts(classes, len(labels))
        sampled = config.sampling != "none"
        heard = [class_size(counts, config.sampling)] * len(labels) if sampled else counts
        if sum(heard) < processes:
            raise ConfigError(
                f"balance.sampling {config.sampling} leaves {sum(heard)} clips in an epoch, which can't feed "
                f"{processes} processes: use fewer of them, or --balance.sampling over"
            )
        return cls(config, list(labels), classes, heard, seed)

    def with_synthetic(self, classes: Sequence[int]) -> Self:
        """The same, with synthetic clips of these classes beside the real ones."""
        made = _counts(classes, len(self.labels))
        return replace(self, heard=[real + new for real, new in zip(self.heard, made, strict=True)])

    @property
    def draw(self) -> Callable[[int], list[int]] | None:
        """The clips of an epoch, by its number; None where it hears every clip once."""
        if self.config.sampling == "none":
            return None
        return lambda epoch: draw_balanced(self.classes, self.config.sampling, self.seed, epoch)

    @property
    def weights(self) -> Tensor | None:
        """Weights (C,) of the classes; None where all weigh alike."""
        config = self.config
        found = None
        if config.weights != "none":
            found = class_weights(self.heard, config.beta if config.weights == "effective" else 1.0)
        if config.alpha:
            alpha = torch.tensor([config.alpha.get(label, 1.0) for label in self.labels])
            found = alpha if found is None else found * alpha
        return found

    def criterion(self, smoothing: float) -> Criterion:
        """The loss.

        Args:
            smoothing: share of the target spread over all classes
        """
        heard = torch.tensor(self.heard, dtype=torch.float32)
        config = self.config
        return Criterion(
            self.weights,
            smoothing=smoothing,
            gamma=config.focal,
            prior=heard / heard.sum(),
            tau=config.logit_adjustment,
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What was asked for beside the defaults, the training utterances of each class, and the clips of an epoch."""
        usual = asdict(BalanceConfig())
        asked = {name: value for name, value in asdict(self.config).items() if value != usual[name]}
        utterances = _counts(self.classes, len(self.labels))
        named = {"utterances": utterances, "heard": self.heard}
        return (
            {"weights": self.config.weights}
            | asked
            | {name: dict(zip(self.labels, counts, strict=True)) for name, counts in named.items()}
        )

    def notes(self, *, refit: bool, views: bool = False) -> list[str]:
        """A sentence on what was done; none for the default, weights by inverse frequency alone.

        Args:
            refit: whether the classifier was fitted anew in the end
            views: whether on augmented views besides
        """
        config = self.config
        if config == BalanceConfig():
            return []
        done = []
        if config.sampling != "none":
            done.append(f"{config.sampling}sampling")
        if config.synthesise != "none":
            done.append(f"synthetic clips ({config.synthesise})")
        if config.weights == "effective":
            done.append(f"weights by the effective number of utterances (beta {config.beta:g})")
        if config.weights == "inverse" and not done:
            done.append("weights by inverse frequency")
        if config.alpha:
            done.append("factors " + ", ".join(f"{name} {factor:g}" for name, factor in config.alpha.items()))
        if config.focal:
            done.append(f"focal loss (gamma {config.focal:g})")
        if config.logit_adjustment:
            done.append(f"logit adjustment (tau {config.logit_adjustment:g})")
        counts = zip(self.labels, _counts(self.classes, len(self.labels)), self.heard, strict=True)
        sizes = ", ".join(f"{name} {real}" + f" to {heard}" * (real != heard) for name, real, heard in counts)
        what = " and ".join(done) or "nothing was done about their sizes"
        note = f"classes in training: {what}; clips of each: {sizes}"
        note += f"; the refitted classifier heard every real clip once{', and its views' * views}" if refit else ""
        return [note + ". Dev and test are as they were"]


def _counts(classes: Sequence[int], number: int) -> list[int]:
    counts = Counter(classes)
    return [counts[place] for place in range(number)]


class EmotionLoss(nn.Module):
    """The loss of emotions: the first of all."""

    def __init__(self, criterion: nn.Module) -> None:
        super().__init__()
        self.criterion = criterion

    def forward(self, step: Step, losses: Losses) -> Losses:
        """The criterion's value for each clip."""
        return losses._replace(utterances=self.criterion(step.output.logits, step.batch.labels, step.batch.targets))


@PARTS.register("balance")
class ClassBalance(Part):
    """The loss of emotions, and classes of different sizes in it.

    Args:
        config: what is done about them
    """

    order = 30

    def __init__(self, config: BalanceConfig | None = None) -> None:
        self.config = config or BalanceConfig()
        self.balance: Balance | None = None
        self._said: list[str] = []

    def bind(self, training: Training) -> None:
        """Refuses options where no emotions are learned."""
        if not training.model.labels and self.config != BalanceConfig():
            raise ConfigError(
                "dimensions.weight is 1, so no emotions are learned: leave the balance and labels options out"
            )

    def prepare(self, training: Training, clips: Clips) -> Clips:
        """Counts the classes."""
        labels = training.model.labels
        if labels:
            processes = training.accelerator.num_processes
            balance = Balance.of(self.config, training.train["emotion"][:], labels, training.seed, processes)
            made = clips.classes if isinstance(clips, SyntheticClips) else []
            self.balance = balance.with_synthetic(made) if made else balance
            self._said = self.balance.notes(refit=training.refits, views=training.views is not None)
        return clips

    def loss(self, training: Training) -> nn.Module | None:
        """The criterion; none where no emotions are learned."""
        return None if self.balance is None else EmotionLoss(self.balance.criterion(training.config.label_smoothing))

    def draw(self, epoch: int) -> list[int] | None:
        """The sampled clips of an epoch."""
        draw = None if self.balance is None else self.balance.draw
        return None if draw is None else draw(epoch)

    @property
    def facts(self) -> dict[str, Any]:
        """What was asked for, and the sizes of the classes."""
        return {} if self.balance is None else {"balance": self.balance.facts}

    @property
    def notes(self) -> list[str]:
        """What was done, where that isn't the usual."""
        return self._said
