"""The contract of a part: one technique of a training, in one file, with options, checks and facts of its own.

    Trainer(model, strategy, config, parts=[SupervisedContrastive(weight=0.5), ...])

    bind    what the model and the options rule out          loss     how a step's loss is changed
    check   what the data rule out                           draw     which clips an epoch hears
    tables  what the clips bring beside their labels         augment  what happens to a batch
    prepare what the steps are fed                           on_best, finish: after an epoch, after the training

A part overrides what it needs; the trainer asks all of them and names none. They are asked in the order of `order`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from accelerate import Accelerator
from datasets import Dataset
from torch import Tensor, nn

from ser_tl.augment import FeatureHooks
from ser_tl.cache.views import Views
from ser_tl.data.batching import Batch, Clips
from ser_tl.data.schema import real_rows
from ser_tl.evaluation import Predictions
from ser_tl.inference.clips import Pass
from ser_tl.model import EmotionModel, Output
from ser_tl.modules.feature_norm import NormTable
from ser_tl.registry import Registry
from ser_tl.runtime.processes import accelerator, evaluation_pass
from ser_tl.training.config import TrainConfig
from ser_tl.training.feed import Feed, Reads
from ser_tl.transfer import Strategy

PartT = TypeVar("PartT", bound="Part")

PARTS: Registry[type["Part"]] = Registry("part", "ser_tl.parts")
"""Parts by name, each a dataclass of its options or built from one."""


class Step(NamedTuple):
    """What a loss sees of a micro-batch.

    Attributes:
        output: the model's, of the labelled clips
        batch: these clips
        target: the model's output for clips of the other domain, where a part pairs domains
        done: share of the training that is done, 0 to 1
        model: what is trained
    """

    output: Output
    batch: Batch
    target: Output | None
    done: float
    model: EmotionModel


class Losses(NamedTuple):
    """What a micro-batch costs: weight * (utterances + batch) + penalty.

    Attributes:
        utterances: (B,) one value for each labelled clip; a step takes the mean over all of its clips
        batch: a scalar, for the micro-batch as a whole
        penalty: likewise, and no part of the training loss that is reported
        weight: of what the labels say, beside the penalty
    """

    utterances: Tensor
    batch: Tensor
    penalty: Tensor
    weight: float = 1.0


@dataclass
class Training:
    """What parts may know of the training that they are part of.

    Args:
        model: what is trained, in place
        strategy: which of its weights move
        config: epochs, rates, batches
        folder: where training states and curves go; None keeps nothing on disk
        seed: of all draws
        parts: all of them, in their order
        name: what its epoch lines begin with, the fold for example

    Attributes:
        train, dev, unlabelled: what `fit` was given; `real` is the training part without synthetic clips
        natural_clips: the training part's clips before a part's `prepare`; `clips` is what the steps are fed
        real_clips, dev_clips, unlabelled_clips: as they are in evaluation
    """

    model: EmotionModel
    strategy: Strategy
    config: TrainConfig
    folder: Path | None
    seed: int
    parts: Sequence["Part"]
    name: str = ""
    accelerator: Accelerator = field(init=False)
    feed: Feed = field(init=False)
    evaluation: Pass = field(init=False)
    norms: NormTable = field(init=False, default_factory=NormTable)
    train: Dataset = field(init=False)
    real: Dataset = field(init=False)
    dev: Dataset = field(init=False)
    unlabelled: Dataset | None = field(init=False, default=None)
    natural_clips: Clips = field(init=False)
    clips: Clips = field(init=False)
    target_clips: Clips | None = field(init=False, default=None)
    real_clips: Clips = field(init=False)
    dev_clips: Clips = field(init=False)
    unlabelled_clips: Clips | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.accelerator = accelerator(self.config, self.folder)
        self.feed = Feed(self.model, self.strategy, self.config, self.accelerator, self.seed)
        self.evaluation = evaluation_pass(self.accelerator, self.config)

    @property
    def views(self) -> Views | None:
        """What is heard in the place of the training clips; None for these themselves."""
        return next((part.views for part in self.parts if part.views is not None), None)

    @property
    def reads(self) -> Reads:
        """The most that any part needs of a training clip."""
        asked = {part.reads for part in self.parts}
        return "audio" if "audio" in asked else "frames" if "frames" in asked else "pooled"

    @property
    def refits(self) -> bool:
        """Whether the classifier is fitted anew in the end."""
        return self.config.refit != "none"

    def take(self, train: Dataset, dev: Dataset, unlabelled: Dataset | None) -> None:
        """Takes what the training is given."""
        self.train, self.real, self.dev, self.unlabelled = train, real_rows(train), dev, unlabelled

    def prepare_clips(self) -> None:
        """Makes the clips of all that the training is given; every process calls it."""
        tables: dict[str, np.ndarray] = {}
        for part in self.parts:
            tables |= part.tables(self)
        self.natural_clips = self.feed.training_clips(self.train, tables, reads=self.reads, views=self.views)
        self.clips = self.natural_clips
        for part in self.parts:
            self.clips = part.prepare(self, self.clips)
        self.dev_clips = self.feed.clips(self.dev)
        paired = self.unlabelled is not None and any(part.pairs_domains for part in self.parts)
        self.target_clips = self.feed.training_clips(self.unlabelled, labelled=False) if paired else None
        # In evaluation's windows: what statistics are measured on, and the refit. Real speech only.
        self.real_clips = self.feed.clips(self.real)
        heard = self.unlabelled is not None
        self.unlabelled_clips = self.feed.clips(self.unlabelled, labelled=False) if heard else None


class Part:
    """One technique of a training; what isn't overridden does nothing.

    Attributes:
        order: parts of lower order are asked first: 10 what clips are, 30 the loss of emotions, 50 what is added to
            it, 70 how that loss shares with others, 90 what happens when all is done
        reads: the most that it needs of a training clip: its `audio`, all `frames` of cached states, or what a pooling
            makes of them
        views: cached variants of the training clips that are heard in their place
        pairs_domains: whether its loss wants a batch of the other domain beside each labelled one
        teaches_clips: whether it gives each clip a table's row, which a clip that is made up can't have
    """

    order: ClassVar[int] = 50
    reads: Reads = "pooled"
    views: Views | None = None
    pairs_domains: bool = False
    teaches_clips: bool = False

    @property
    def name(self) -> str:
        """Its name in `PARTS`, else its class'."""
        return next((name for name, kind in PARTS.items() if kind is type(self)), type(self).__name__.lower())

    @property
    def asked(self) -> str:
        """What asked for it, as others' messages name it."""
        return self.name

    def bind(self, training: Training) -> None:
        """Refuses what the model, the strategy or other parts rule out; nothing is known of the data yet.

        Raises:
            ConfigError: with the way out
        """

    def check(self, training: Training) -> None:
        """Refuses what the data rule out, before anything is encoded.

        Raises:
            ConfigError: with the way out
        """

    def tables(self, training: Training) -> Mapping[str, np.ndarray]:  # noqa: ARG002 - most clips have labels alone
        """What training clips bring beside their labels, a row each by name.

        `targets` (n, C) are probabilities of the classes, which the loss of emotions takes in the place of labels; what
        has another name comes as `Batch.auxiliary`.
        """
        return {}

    def prepare(self, training: Training, clips: Clips) -> Clips:  # noqa: ARG002 - most leave them as they are
        """What the steps are fed, in the place of `clips`. Every process calls it."""
        return clips

    def loss(self, training: Training) -> nn.Module | None:  # noqa: ARG002 - for parts that have one
        """A module `(Step, Losses) -> Losses`, whose weights, if any, learn at the head's rate."""
        return None

    def draw(self, epoch: int) -> Sequence[int] | None:  # noqa: ARG002
        """The clips of an epoch (from 0); None where it has no say."""
        return None

    def augment(self, batch: Batch, *position: int) -> tuple[Batch, FeatureHooks | None]:  # noqa: ARG002
        """A labelled batch as the training hears it, and what is changed on its way through the model.

        Args:
            batch: of this process
            position: epoch, step, micro-batch and process, from which all draws follow
        """
        return batch, None

    def dev_loss(self, training: Training, predictions: Predictions, loss: float) -> float:  # noqa: ARG002
        """The loss on the dev part, in the place of `loss`."""
        return loss

    def on_best(self, model: EmotionModel, record: dict[str, Any]) -> None:
        """Hears of the best epoch so far, in the main process: the model as it is then, and the epoch's record."""

    def finish(self, training: Training) -> None:
        """Acts when the weights are those of the best epoch. Every process calls it."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a report should tell of it; empty where it did nothing."""
        return {}

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures must know of it."""
        return []
