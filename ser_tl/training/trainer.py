"""One training, on one CPU, one GPU or many processes, through Accelerate.

    Trainer(model, strategy, config, folder, parts=[...]).fit(train, dev) -> history, and the best epoch's weights
    trainer.evaluate(test) -> Report

`fit` never sees a test set: the epoch is chosen on dev UAR, or on dev CCC where dimensions are learned alone. The
strategy decides which weights are trained; each technique is a `Part`, and the trainer names none of them.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from accelerate.utils import set_seed
from datasets import Dataset

from ser_tl.data.combination import Classes
from ser_tl.data.dimensions import note_unknown
from ser_tl.encoders import checkpoint_layers, compile_layers
from ser_tl.errors import ConfigError
from ser_tl.evaluation import Report
from ser_tl.inference.evaluation import evaluate
from ser_tl.model import EmotionModel, KnownSpeakers
from ser_tl.training.checkpoint import TrainingStates, open_states
from ser_tl.training.compatibility import check_closed_form, check_parts, check_shardable
from ser_tl.training.facts import collect_data_facts, collect_run_facts, describe_synthetic
from ser_tl.training.loop import run_epochs
from ser_tl.training.normalization import check_domains, keep_norms
from ser_tl.training.part import Part, PartT, Training
from ser_tl.training.parts import build_standard_parts
from ser_tl.training.train_config import TrainConfig
from ser_tl.transfer import STRATEGIES, Strategy


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and torch."""
    set_seed(seed)


class Trainer:
    """Trains and evaluates one model.

    Args:
        model: trained in place
        strategy: which of its weights are trained, and at which rates
        config: epochs, batches, optimizer and so on
        folder: where training states and curves go; None keeps nothing on disk
        seed: chooses batches and crops
        parts: techniques beside the standard ones
        name: prefix of epoch lines, the fold for example
        options: of the standard techniques by name, which are the groups of the recipes' options: `balance`, `labels`,
            `augment`, `dimensions`, `alignment`, and `on_best`, functions that are called in the main process whenever
            an epoch is the best so far

    Raises:
        ConfigError: a precision or tracker that can't be had here, something else than a strategy, or a part that the
            model rules out
        StorageError: the feature cache can't be written to
        UnknownNameError: there is no such alignment
    """

    def __init__(
        self,
        model: EmotionModel,
        strategy: Strategy,
        config: TrainConfig | None = None,
        folder: str | Path | None = None,
        *,
        seed: int = 0,
        parts: Sequence[Part] = (),
        name: str = "",
        **options: Any,  # noqa: ANN401 - each part's own
    ) -> None:
        if not isinstance(strategy, Strategy):
            name = strategy if isinstance(strategy, str) else getattr(strategy, "__name__", type(strategy).__name__)
            raise ConfigError(
                f"strategy is {name!r}, which is no Strategy: give an object of one, for example "
                f"ser_tl.transfer.Lora(rank=8); known are {', '.join(sorted(STRATEGIES))}"
            )
        self.model, self.strategy, self.config = model, strategy, config or TrainConfig()
        self.folder = None if folder is None else Path(folder)
        self.seed = seed
        self.parts = sorted([*build_standard_parts(**options), *parts], key=lambda part: part.order)
        self.training = Training(model, strategy, self.config, self.folder, seed, self.parts, name)
        self.accelerator, self.features = self.training.accelerator, self.training.features
        for part in self.parts:
            part.bind(self.training)
        check_shardable(self.config, strategy, self.accelerator.num_processes)
        if self.features.cacheable_layers:
            self.features.cache.check_usable()
        keep_norms(self.training)
        self.history: list[dict[str, Any]] = []
        self.data_facts: dict[str, Any] = {}
        self._notes: list[str] = []

    def part(self, kind: type[PartT]) -> PartT | None:
        """The first part of a kind; None where there is none."""
        return next((part for part in self.parts if isinstance(part, kind)), None)

    def check(self, train: Dataset, dev: Dataset, unlabelled: Dataset | None = None) -> None:
        """Refuses what `fit` would refuse before it encodes anything; arguments and errors are those of `fit`."""
        check_parts(self.model, train, dev, unlabelled, self.accelerator.num_processes)
        self.training.set_data(train, dev, unlabelled)
        for part in self.parts:
            part.check(self.training)
        check_closed_form(self.model, self.config)

    def fit(
        self, train: Dataset, dev: Dataset, unlabelled: Dataset | None = None, *, resume: bool = False
    ) -> list[dict[str, Any]]:
        """Trains until the last epoch or until dev UAR stalls, then puts the best epoch's weights back.

        Args:
            train: the training part; synthetic clips may be among it
            dev: the part that the epoch is chosen on; other speakers than train's
            unlabelled: clips of the domain that embeddings are aligned with, or of self-training; their emotions are
                never used
            resume: go on from the newest training state in the folder, if there is one

        Returns:
            One record per epoch: epoch (from 1), best, train_loss, dev_loss, dev_uar and dev_war where there are
            emotions, dev_ccc (the mean over the dimensions) where there are dimensions, learning_rates, moving_blocks,
            trainable_parameters, steps, seconds, audio_seconds_per_second.

        Raises:
            ConfigError: the corpus' emotions and the model's labels don't meet, or data that a part needs are missing
            CheckpointError: the training state can't be used, or is of other labels, audio or encoder weights
            StorageError: the disk is full, or a folder can't be written to
        """
        training, model = self.training, self.model
        self.check(train, dev, unlabelled)
        model.known_speakers = KnownSpeakers.from_names([*training.real["speaker"][:], *dev["speaker"][:]])
        model.activation_ranges = {}  # of the weights before
        self.data_facts = collect_data_facts(train, dev)
        states = open_states(training)  # before adapters are in the encoder
        self.strategy.prepare(model)
        if self.config.checkpointing:
            checkpoint_layers(model.encoder)
        if self.config.compile:
            compile_layers(model.encoder)
        training.prepare_clips()
        progress = run_epochs(training, states, resume=resume)
        for part in self.parts:
            part.finish(training)
        measured, warnings = check_domains(training)
        self.data_facts |= measured
        self._notes = describe_synthetic(train, refit=training.refits)
        self._notes += note_unknown(train, model.dimensions, "training") + note_unknown(dev, model.dimensions, "dev")
        self._notes += [note for note in (progress.note, training.refit_note) if note] + warnings
        self.history = progress.history
        return progress.history

    def evaluate(
        self,
        test: Dataset,
        *,
        title: str = "",
        notes: Sequence[str] = (),
        shared: Collection[str] = (),
        labels: Classes = "all",
    ) -> Report:
        """The report on speakers that training never saw. Every process calls it and gets the whole report.

        Args:
            test: rows with the columns of `data.schema`
            title: of the report
            notes: sentences for its readers
            shared: speakers that the test part may share with training (`Split.shared`): only to reproduce figures that
                were published so; the report's title, notes and facts then say so
            labels: `shared` restricts the answers to the emotions of both model and test set, as the report then says

        Raises:
            ConfigError: the test set has an emotion that isn't among the model's labels
            SplitError: the model was trained on, or its epoch chosen on, some of the speakers, or clips are synthetic
        """
        trained, tested = set(self.data_facts.get("corpora", [])), set(test["corpus"][:])
        return evaluate(
            self.model,
            test,
            replace(self.training.evaluation, progress=f"{self.training.name} test".strip()),
            clips=self.features.load_clips(test) if labels == "all" else None,
            title=title,
            labels=labels,
            notes=notes,
            training_notes=self.notes,
            facts=self.facts,
            shared=shared,
            groups=("sex", "corpus") if len(trained | tested) > 1 else ("sex",),
            note_absent=not tested <= trained,  # within a corpus single speakers may lack an emotion
        )

    @property
    def notes(self) -> list[str]:
        """Sentences on the training for every report."""
        return [*(note for part in self.parts for note in part.notes), *self._notes]

    @property
    def facts(self) -> dict[str, Any]:
        """Facts of the training for its report: parameters, epochs, time, configuration."""
        facts = collect_run_facts(self.model, self.history, self.accelerator)
        facts |= {"strategy": type(self.strategy).__name__.lower(), "seed": self.seed}
        if self.model.config.statistics != "training":
            facts["statistics"] = self.model.config.statistics
        for part in self.parts:
            facts |= part.facts
        return facts | self.data_facts

    def clear_states(self) -> None:
        """Deletes the training states, once the results they were kept for are on disk."""
        if self.folder is not None:
            TrainingStates(self.folder / "states", self.accelerator).clear()
