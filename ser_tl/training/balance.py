"""What a training does about classes of different sizes, and what a report has to tell of it.

    BalanceConfig, emotions of the training part --Balance.of--> Balance: criterion, clips of an epoch, facts, notes

All of it acts on training clips in training steps. Dev and test keep their utterances as they are, and are scored by
figures that weigh classes alike (UAR). Weights and priors are those of the clips that an epoch hears: where classes are
sampled to be alike, weights by frequency are 1, and nothing is made up for twice.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Self

import torch
from torch import Tensor

from ser_tl.data.sampling import class_size, draw_balanced
from ser_tl.errors import ConfigError
from ser_tl.modules.losses import Criterion, class_weights


@dataclass(frozen=True)
class BalanceConfig:
    """What is done about classes of different sizes, in training alone.

    Args:
        weights: of an utterance by its class: `inverse` to the class' frequency, so that each class has the same say;
            `effective`, by its effective number of utterances (Cui et al. 2019), between that and `none`
        beta: of `effective`: 0 weighs all alike, and the nearer to 1, the nearer to `inverse`
        alpha: class to a factor of its weight, {fear: 2}; classes that aren't named have 1
        focal: gamma of the focal loss (Lin et al. 2017), which leaves out utterances that are told well already; 0 is
            cross-entropy. Its alpha are the weights
        logit_adjustment: tau, by which the logarithms of the classes' frequencies are added to the logits in training
            (Menon et al. 2021); 1 in theory, 0 for none. In the place of weights, sampling and synthetic clips
        sampling: in each epoch, `over` hears every class as often as the largest, `under` as often as the smallest
        synthesise: clips made between neighbours of a smaller class until it is as large as the largest: `smote`
            (Chawla et al. 2002), `borderline-smote` near other classes only (Han et al. 2005), `adasyn` more of them
            there (He et al. 2008). For frozen encoders whose pooled states are all that the model sees, see
            docs/imbalance.md
        neighbours: of a clip, between which and it others are made; fewer where a class has fewer
    """

    weights: Literal["none", "inverse", "effective"] = "inverse"
    beta: float = 0.999
    alpha: dict[str, float] = field(default_factory=dict)
    focal: float = 0.0
    logit_adjustment: float = 0.0
    sampling: Literal["none", "over", "under"] = "none"
    synthesise: Literal["none", "smote", "borderline-smote", "adasyn"] = "none"
    neighbours: int = 5

    def __post_init__(self) -> None:
        if not 0 <= self.beta < 1:
            raise ConfigError(f"balance.beta is {self.beta}: expected 0 to below 1; weights inverse are its limit")
        for name in ("focal", "logit_adjustment"):
            if getattr(self, name) < 0:
                raise ConfigError(f"balance.{name} is {getattr(self, name)}: expected 0 or more")
        if self.neighbours < 1:
            raise ConfigError(f"balance.neighbours is {self.neighbours}: expected 1 or more")
        wrong = [f"{name}: {factor}" for name, factor in self.alpha.items() if not factor > 0]
        if wrong:
            raise ConfigError(f"balance.alpha has {', '.join(wrong)}: expected factors above 0")
        if self.sampling != "none" and self.synthesise != "none":
            raise ConfigError(
                f"balance.sampling {self.sampling} and balance.synthesise {self.synthesise} both make classes as large "
                f"as each other: choose one"
            )
        asked = {"sampling": self.sampling, "synthesise": self.synthesise, "weights": self.weights}
        others = [f"balance.{name} {value}" for name, value in asked.items() if value != "none"]
        if self.logit_adjustment and others:
            raise ConfigError(
                f"balance.logit_adjustment is {self.logit_adjustment}, and {' and '.join(others)} would make up for "
                f"the same frequencies once more: choose one (--balance.weights none for the adjustment alone)"
            )


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
