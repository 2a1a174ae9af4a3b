"""The contract of a part: one technique of a training, in one file, with options, checks and facts of its own.

    Trainer(model, strategy, config, parts=[SupervisedContrastive(weight=0.5), ...])

   bind    refuse a model or options                        loss     change a step's loss
    check   refuse data                                      draw     choose the clips of an epoch
    tables  give clips values beside their labels            augment  change a batch
    prepare change the clips of the steps                    on_best, finish: after an epoch, after the training

A part overrides what it needs; the trainer calls all of them, in the order of `order`, and names none.
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
from ser_tl.runtime.processes import build_accelerator, build_evaluation_pass
from ser_tl.training.compatibility import choose_refit
from ser_tl.training.features import FeaturePipeline, Reads
from ser_tl.training.train_config import RefitName, TrainConfig
from ser_tl.transfer import Strategy

PartT = TypeVar("PartT", bound="Part")

PARTS: Registry[type["Part"]] = Registry("part", "ser_tl.parts")
"""Parts by name, each a dataclass of its options or built from one."""


class Step(NamedTuple):
    """The inputs of a loss: one micro-batch.

    Attributes:
        output: the model's, of the labelled clips
        batch: these clips
        target: the model's output for clips of the other domain, where a part pairs domains
        done: share of the training that is done, 0 to 1
        model: in training
    """

    output: Output
    batch: Batch
    target: Output | None
    done: float
    model: EmotionModel


class Losses(NamedTuple):
    """The loss of a micro-batch: weight * (utterances + batch) + penalty.

    Attributes:
        utterances: (B,) one value for each labelled clip; a step takes the mean over all of its clips
        batch: a scalar, for the micro-batch as a whole
        penalty: likewise, and not in the training loss that is reported
        weight: of the labels' losses, beside the penalty
    """

    utterances: Tensor
    batch: Tensor
    penalty: Tensor
    weight: float = 1.0


@dataclass
class Training:
    """One training: its model, options, data and clips, as its parts use them.

    Args:
        model: trained in place
        strategy: which of its weights are trained
        config: epochs, rates, batches
        folder: where training states and curves go; None keeps nothing on disk
        seed: of all draws
        parts: all of them, in their order
        name: prefix of its epoch lines, the fold for example

    Attributes:
        train, dev, unlabelled: the arguments of `fit`; `real` is the training part without synthetic clips
        natural_clips: the training part's clips before a part's `prepare`; `clips` are those of the steps
        real_clips, dev_clips, unlabelled_clips: as they are in evaluation
        refit: how the classifier is refitted; `auto` until there are data. `refit_note` says why it isn't
    """

    model: EmotionModel
    strategy: Strategy
    config: TrainConfig
    folder: Path | None
    seed: int
    parts: Sequence["Part"]
    name: str = ""
    accelerator: Accelerator = field(init=False)
    features: FeaturePipeline = field(init=False)
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
    refit: RefitName = field(init=False)
    refit_note: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.refit = self.config.refit
        self.accelerator = build_accelerator(self.config, self.folder)
        self.features = FeaturePipeline(self.model, self.strategy, self.config, self.accelerator, self.seed)
        self.evaluation = build_evaluation_pass(self.accelerator, self.config)

    @property
    def views(self) -> Views | None:
        """Views of the training clips, which are encoded in their place; None for the clips themselves."""
        return next((part.views for part in self.parts if part.views is not None), None)

    @property
    def reads(self) -> Reads:
        """The most that any part needs of a training clip."""
        reads = {part.reads for part in self.parts}
        return "audio" if "audio" in reads else "frames" if "frames" in reads else "pooled"

    @property
    def refits(self) -> bool:
        """Whether the classifier is refitted in the end."""
        return self.refit != "none"

    def set_data(self, train: Dataset, dev: Dataset, unlabelled: Dataset | None) -> None:
        """Sets the training's data."""
        self.train, self.real, self.dev, self.unlabelled = train, real_rows(train), dev, unlabelled
        voided = [part.voided_by_refit for part in self.parts if part.voided_by_refit]
        self.refit, self.refit_note = choose_refit(self.config, self.model.labels, self.real, dev, voided)

    def prepare_clips(self) -> None:
        """Loads the clips of all data; every process calls it."""
        tables: dict[str, np.ndarray] = {}
        for part in self.parts:
            tables |= part.tables(self)
        self.natural_clips = self.features.load_training_clips(self.train, tables, reads=self.reads, views=self.views)
        self.clips = self.natural_clips
        for part in self.parts:
            self.clips = part.prepare(self, self.clips)
        self.dev_clips = self.features.load_clips(self.dev)
        paired = self.unlabelled is not None and any(part.pairs_domains for part in self.parts)
        self.target_clips = self.features.load_training_clips(self.unlabelled, labelled=False) if paired else None
        # In evaluation's windows, for statistics and the refit. Real speech only.
        self.real_clips = self.features.load_clips(self.real)
        has_unlabelled = self.unlabelled is not None
        self.unlabelled_clips = self.features.load_clips(self.unlabelled, labelled=False) if has_unlabelled else None


class Part:
    """One technique of a training; methods that aren't overridden do nothing.

    Attributes:
        order: parts of lower order are called first: 10 clips and their targets, 30 the loss of emotions, 50 terms
            added to it, 70 how that loss is weighed against others, 90 after the last epoch
        reads: the most that it needs of a training clip: its `audio`, all `frames` of cached states, or their
            `pooled` statistics
        views: cached variants of the training clips, which are encoded in their place
        pairs_domains: whether its loss needs a batch of the other domain beside each labelled one
        adds_clip_targets: whether each clip gets a row of a table, which synthetic clips don't have
        balances_corpora: whether several corpora count alike within each class, which a refit does as well
    """

    order: ClassVar[int] = 50
    reads: Reads = "pooled"
    views: Views | None = None
    pairs_domains: bool = False
    adds_clip_targets: bool = False
    balances_corpora: bool = False

    @property
    def name(self) -> str:
        """Its name in `PARTS`, else its class'."""
        return next((name for name, kind in PARTS.items() if kind is type(self)), type(self).__name__.lower())

    @property
    def requested_by(self) -> str:
        """The option that switched it on, for messages."""
        return self.name

    @property
    def voided_by_refit(self) -> str:
        """The option, if it was given, that acts on a classifier which a refit would replace; else empty."""
        return ""

    def bind(self, training: Training) -> None:
        """Refuses a model, a strategy or other parts that don't fit; the data aren't known yet.

        Raises:
            ConfigError: with the way out
        """

    def check(self, training: Training) -> None:
        """Refuses data that don't fit, before anything is encoded.

        Raises:
            ConfigError: with the way out
        """

    def tables(self, training: Training) -> Mapping[str, np.ndarray]:  # noqa: ARG002 - most clips have labels alone
        """Values of training clips beside their labels: arrays by name, with a row for each clip.

        `targets` (n, C) are probabilities of the classes, which the loss of emotions takes in the place of labels;
        arrays of other names come as `Batch.auxiliary`.
        """
        return {}

    def prepare(self, training: Training, clips: Clips) -> Clips:  # noqa: ARG002 - most leave them as they are
        """The clips of the steps, in the place of `clips`. Every process calls it."""
        return clips

    def loss(self, training: Training) -> nn.Module | None:  # noqa: ARG002 - for parts that have one
        """A module `(Step, Losses) -> Losses`, whose weights, if any, learn at the head's rate."""
        return None

    def draw(self, epoch: int) -> Sequence[int] | None:  # noqa: ARG002
        """The clips of an epoch (from 0); None leaves the choice to others."""
        return None

    def augment(self, batch: Batch, *position: int) -> tuple[Batch, FeatureHooks | None]:  # noqa: ARG002
        """An augmented labelled batch, and the hooks that augment it on its way through the model.

        Args:
            batch: of this process
            position: epoch, step, micro-batch and process, from which all draws follow
        """
        return batch, None

    def dev_loss(self, training: Training, predictions: Predictions, loss: float) -> float:  # noqa: ARG002
        """The loss on the dev part, in the place of `loss`."""
        return loss

    def on_best(self, model: EmotionModel, record: dict[str, Any]) -> None:
        """Called in the main process whenever an epoch is the best so far, with the model as it is then."""

    def finish(self, training: Training) -> None:
        """Acts when the weights are those of the best epoch. Every process calls it."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Facts for the report; empty where it did nothing."""
        return {}

    @property
    def notes(self) -> list[str]:
        """Sentences for readers of the report."""
        return []
