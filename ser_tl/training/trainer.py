"""One training, on one CPU, one GPU or many processes, through Accelerate.

    Trainer(model, strategy, config, folder).fit(train, dev) -> history, and the model has the weights of the best epoch
    trainer.evaluate(test) -> Report

`fit` never sees a test set: the epoch is chosen on dev UAR, or on dev CCC where dimensions are learned alone. The
strategy decides what moves; the trainer knows only epochs, and `Steps` what is in one.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from accelerate.utils import set_seed
from datasets import Dataset
from tqdm.auto import tqdm

from ser_tl.augment import AugmentConfig
from ser_tl.cache.cached import CachedClips, EveryView
from ser_tl.data.batching import Clips
from ser_tl.data.dimensions import unknown_notes
from ser_tl.data.schema import real_rows
from ser_tl.data.votes import LabelConfig, soft_targets
from ser_tl.encoders import checkpoint_layers, compile_layers, is_frozen
from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.evaluation import Report, Scores, confusion
from ser_tl.inference.evaluation import evaluate
from ser_tl.inference.scoring import score_clips
from ser_tl.inference.speaker_norm import check_norms, measure_norms
from ser_tl.inference.statistics import fit_statistics
from ser_tl.model import EmotionModel, KnownSpeakers
from ser_tl.modules.feature_norm import NormTable
from ser_tl.runtime.processes import accelerator, evaluation_pass
from ser_tl.training.augmentation import chain_for
from ser_tl.training.balance import Balance, BalanceConfig
from ser_tl.training.calibration import calibrate
from ser_tl.training.checkpoint import TrainingStates
from ser_tl.training.checks import check_options, check_parts, check_refit, check_shardable
from ser_tl.training.config import TrainConfig
from ser_tl.training.dimensions import DimensionConfig, dev_loss, fit_scale
from ser_tl.training.facts import moving_parameters, run_facts, synthetic_notes, what_is_heard
from ser_tl.training.feed import Feed
from ser_tl.training.inputs import fingerprint_inputs
from ser_tl.training.norm_state import NormState
from ser_tl.training.objective import Objective
from ser_tl.training.progress import Progress, dev_scores
from ser_tl.training.refit import refit_discriminant
from ser_tl.training.statistics_check import check_statistics
from ser_tl.training.steps import Steps
from ser_tl.training.synthetic import SyntheticClips, check_synthesis, synthesised
from ser_tl.transfer import ALIGNMENTS, STRATEGIES, AlignmentConfig, Strategy

OnBest = Callable[[EmotionModel, dict[str, Any]], None]

REFIT_NOTE = "; the refitted classifier is taught emotions alone"
REPLACED_NOTE = (
    "the alignment ({}) acted in the hidden layer of a head that the refit has replaced: what is left of it is what it "
    "did to weights below the head, nothing where the encoder is frozen and the pooling has none"
)


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and torch."""
    set_seed(seed)


class Trainer:
    """Trains and evaluates one model.

    Args:
        model: what is trained, in place
        strategy: which of its weights move, and how fast
        config: the rest
        folder: where training states and curves go; None keeps nothing on disk
        alignment: with which penalty the embeddings of `fit`'s unlabelled clips are drawn to the training part's
        balance: what is done about classes of different sizes
        labels: whether clips are taught as their emotion or as what annotators voted
        augment: what happens to the training part's clips in each step or, with views, before, and to no others
        seed: chooses batches and crops
        on_best: called in the main process whenever an epoch is the best so far, with the model as it is then and the
            epoch's record
        dimensions: how the model's dimensions are learned, if it has some

    Raises:
        ConfigError: a precision or tracker that can't be had here, something else than a strategy, or other dimensions
            than the model's
        StorageError: the feature cache can't be written to
        UnknownNameError: there is no such alignment
        ConfigError: augmentation that needs a log-mel front end, of an encoder without one
    """

    def __init__(
        self,
        model: EmotionModel,
        strategy: Strategy,
        config: TrainConfig | None = None,
        folder: str | Path | None = None,
        *,
        alignment: AlignmentConfig | None = None,
        balance: BalanceConfig | None = None,
        labels: LabelConfig | None = None,
        augment: AugmentConfig | None = None,
        seed: int = 0,
        on_best: Sequence[OnBest] = (),
        dimensions: DimensionConfig | None = None,
    ) -> None:
        if not isinstance(strategy, Strategy):
            name = strategy if isinstance(strategy, str) else getattr(strategy, "__name__", type(strategy).__name__)
            raise ConfigError(
                f"strategy is {name!r}, which is no Strategy: give an object of one, for example "
                f"ser_tl.transfer.STRATEGIES['frozen'](); known are {', '.join(sorted(STRATEGIES))}"
            )
        self.model = model
        self.strategy = strategy
        self.config = config or TrainConfig()
        self.folder = None if folder is None else Path(folder)
        self.alignment = alignment or AlignmentConfig(method="none")
        if self.alignment.method != "none":
            ALIGNMENTS[self.alignment.method]  # an unknown name is told now, and not after an hour of encoding
        self.augment, self.views = chain_for(model, augment or AugmentConfig(), seed)
        self.balance = balance or BalanceConfig()
        self.label_config = labels or LabelConfig()
        self.seed = seed
        self.on_best = list(on_best)
        self.dimensions = DimensionConfig.of(model, dimensions)
        if self.dimensions.alone and (self.balance != BalanceConfig() or self.label_config != LabelConfig()):
            raise ConfigError(
                "dimensions.weight is 1, so no emotions are learned: leave the balance and labels options out"
            )
        self.history: list[dict[str, Any]] = []
        self.heard: dict[str, Any] = {}
        self.notes: list[str] = []  # on the training, for every report
        self.refit: dict[str, float] = {}
        self.accelerator = accelerator(self.config, self.folder)
        check_shardable(self.config, strategy, self.accelerator.num_processes)
        self.feed = Feed(model, strategy, self.config, self.accelerator, seed)
        if self.feed.lasting:
            self.feed.cache.check_writable()
        self.evaluation = evaluation_pass(self.accelerator, self.config)
        self.norms = NormTable()
        if model.config.statistics != "training":
            self.accelerator.register_for_checkpointing(NormState(self.norms, self.accelerator.device))
        self.tracked = self.folder is not None and self.config.tracker != "none"

    def fit(
        self, train: Dataset, dev: Dataset, unlabelled: Dataset | None = None, *, resume: bool = False
    ) -> list[dict[str, Any]]:
        """Trains until the last epoch or until dev UAR stalls, then puts the best epoch's weights back.

        Args:
            train: what is learned from; synthetic clips may be among it
            dev: what the epoch is chosen on; other speakers than train's
            unlabelled: clips of the domain that embeddings are aligned with, or that the refit trains itself on; their
                emotions are never looked at
            resume: go on from the newest training state in the folder, if there is one

        Returns:
            One record per epoch: epoch (from 1), best, train_loss, dev_loss, dev_uar and dev_war where there are
            emotions, dev_ccc (the mean over the dimensions) where there are dimensions, learning_rates, moving_blocks,
            trainable_parameters, steps, seconds, audio_seconds_per_second.

        Raises:
            ConfigError: the corpus' emotions and the model's labels don't meet, annotations of dimensions are missing,
                one of an alignment and its unlabelled clips is, there are no votes where they are the targets, or
                nothing to make synthetic clips of
            CheckpointError: the training state can't be used, or is of other labels, audio or encoder weights
            StorageError: the disk is full, or a folder can't be written to
        """
        check_parts(self.model, train, dev, unlabelled, self.accelerator.num_processes)
        check_options(self.model, self.config, self.alignment, unlabelled=unlabelled is not None)
        real = real_rows(train)
        check_refit(self.config, real, dev)
        self.model.known_speakers = KnownSpeakers.of([*real["speaker"][:], *dev["speaker"][:]])
        self.model.calibration = self.model.outliers = None  # those of other weights
        self.heard = what_is_heard(train, dev)
        keeps = self.folder is not None  # the encoder as it was given, before adapters are in it
        inputs = fingerprint_inputs(self.model.encoder, self.model.labels, train, dev, unlabelled) if keeps else {}
        self.strategy.prepare(self.model)
        if self.config.checkpointing:
            checkpoint_layers(self.model.encoder)
        if self.config.compile:
            compile_layers(self.model.encoder)
        clips, balance, self.notes = self._training_clips(train)
        self.notes += synthetic_notes(train, refit=self.config.refit != "none")
        for part, corpus in (("training", train), ("dev", dev)):
            self.notes += unknown_notes(corpus, self.model.dimensions, part)
        aligned = unlabelled is not None and self.alignment.method != "none"
        self.notes += [REPLACED_NOTE.format(self.alignment.method)] if aligned and self.config.refit != "none" else []
        steps = self._steps(balance)
        dev_clips = self.feed.clips(dev)
        target = self.feed.clips(unlabelled, training=True, labelled=False) if aligned else None
        # In evaluation's windows: what statistics are measured on, and the refit. Real speech only.
        parts = [(real, self.feed.clips(real))]
        parts += [] if unlabelled is None else [(unlabelled, self.feed.clips(unlabelled, labelled=False))]
        states = None if self.folder is None else TrainingStates(self.folder / "states", self.accelerator, inputs)
        progress, best = Progress(), None
        loaded = states.load() if resume and states is not None else None
        if loaded is not None:
            progress, best = loaded
        else:
            fit_statistics(self.model, parts[0][1], self.evaluation, seed=self.seed)
            fit_scale(self.model, train)
        progress.plan(self.config)
        self.notes += [progress.note] if progress.note else []
        if self.tracked:
            self.accelerator.init_trackers("curves")
        while not progress.finished:
            if self.strategy.on_epoch_start(self.model, progress.history):
                steps.wrap()
            self.feed.cache.stay()
            if not progress.step:  # a training state holds them
                self._measure_norms(*parts)
            save = None if states is None else partial(states.save, progress, best)
            steps.run_epoch(clips, target, progress, save)
            self._measure_norms((dev, dev_clips))
            record = self._record(progress, steps) | self._score(dev, dev_clips)
            if progress.end_epoch(record, self.config):
                if self.config.keep == "best":  # the last epoch's weights are where they are in the end
                    best = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}
                for tell in self.on_best if self.accelerator.is_main_process else ():
                    tell(self.model, progress.history[-1])
            self._track(progress)
            if states is not None:
                states.save(progress, best)
        method = None if self.config.calibration == "none" else self.config.calibration
        if best is not None:
            self.model.load_state_dict(best)
        elif self.config.keep == "best" and self.config.epochs:
            raise CheckpointError("the training state has no best epoch: delete the folder's states and train again")
        if self.config.refit != "none":
            self._measure_norms(*parts, (dev, dev_clips))
            speaker_of = dict(
                zip([*real["id"][:], *dev["id"][:]], [*real["speaker"][:], *dev["speaker"][:]], strict=True)
            )
            heard = parts[1][1] if self.config.refit == "self-training" else None
            spoken = clips.real if isinstance(clips, SyntheticClips) else clips
            views = EveryView(spoken, real["id"][:]) if self.views and isinstance(spoken, CachedClips) else None
            self.refit = refit_discriminant(
                self.model,
                parts[0][1],
                dev_clips,
                speaker_of,
                heard,
                self.evaluation,
                kind=self.config.refit,
                norms=self.norms,
                views=views,
                calibration=method,
            )
        elif method is not None:
            calibrate(self.model, parts[0], (dev, dev_clips), self.evaluation, method=method, norms=self.norms)
        measured, warnings = check_statistics(self.model, [parts[0], (dev, dev_clips)], self.evaluation, seed=self.seed)
        self.heard |= measured
        self.notes += warnings
        if self.tracked:
            for tracker in self.accelerator.trackers:  # not end_training: it ends the process group too
                tracker.finish()
        self.history = progress.history
        return progress.history

    def _training_clips(self, train: Dataset) -> tuple[Clips, Balance | None, list[str]]:
        """What the steps are fed, how its classes are balanced, if any, and notes on both for reports."""
        labels, processes = self.model.labels, self.accelerator.num_processes
        if not labels:
            return self.feed.augmented(train, self.augment, views=self.views), None, []
        balance = Balance.of(self.balance, train["emotion"][:], labels, self.seed, processes)
        made = self.balance.synthesise != "none"
        if made:
            check_synthesis(self.model, self.feed.lasting, self.balance, self.label_config, self.augment)
        targets, notes = soft_targets(train, labels, self.label_config)
        clips: Clips | SyntheticClips = self.feed.augmented(train, self.augment, targets, self.views)
        if made:
            clips = synthesised(clips, self.balance, labels, self.seed)
            balance = balance.with_synthetic(clips.classes)
        refit = self.config.refit != "none"
        self.heard |= {"balance": balance.facts, "labels": asdict(self.label_config)}
        done = balance.notes(refit=refit, views=self.views is not None)
        return clips, balance, [*done, *(f"{note}{REFIT_NOTE * refit}" for note in notes)]

    def _steps(self, balance: Balance | None) -> Steps:
        """The optimizer of the prepared model, and what it lowers."""
        aligned = self.alignment if self.alignment.method != "none" else None
        labels, head = self.model.labels, self.model.head
        objective = Objective(
            self.model,
            self.strategy,
            None if aligned is None or head is None else ALIGNMENTS[aligned.method](head.hidden_dim, len(labels)),
            criterion=None if balance is None else balance.criterion(self.config.label_smoothing),
            dimensions=self.dimensions,
            norms=self.norms,
        )
        return Steps(
            objective,
            self.strategy,
            self.config,
            self.accelerator,
            alignment=aligned,
            augment=self.augment or None,
            seed=self.seed,
            draw=None if balance is None else balance.draw,
        )

    def _record(self, progress: Progress, steps: Steps) -> dict[str, Any]:
        return {
            "train_loss": progress.loss_sum / progress.utterances,
            "learning_rates": steps.rates,
            "moving_blocks": [block.name for block in self.model.encoder.blocks() if not is_frozen(block.modules)],
            "trainable_parameters": moving_parameters(self.model),
            "steps": progress.step,
            "seconds": progress.seconds,
            "audio_seconds_per_second": progress.audio_seconds / progress.seconds,
        }

    def _score(self, dev: Dataset, clips: Clips) -> dict[str, float]:
        predictions, loss = score_clips(self.model, dev, clips, self.evaluation, self.norms)
        scores: dict[str, float] = {}
        if predictions.labels:
            found = Scores.of(confusion(predictions.references, predictions.predictions, predictions.labels))
            scores |= {"dev_uar": found.uar, "dev_war": found.war}
        if predictions.ratings is not None:
            share, ratings = self.dimensions.weight, predictions.ratings
            scores["dev_ccc"] = ratings.mean_ccc
            loss = (1.0 - share) * loss + share * dev_loss(self.dimensions, self.model, *ratings.tables)
        return {"dev_loss": loss} | scores

    def _track(self, progress: Progress) -> None:
        record = progress.history[-1]
        if self.tracked:
            numbers = {name: value for name, value in record.items() if isinstance(value, float)}
            rates = {f"learning_rate/{name}": value for name, value in record["learning_rates"].items()}
            self.accelerator.log(numbers | rates, step=record["epoch"])
        if self.accelerator.is_main_process:
            tqdm.write(
                f"epoch {record['epoch']:>3}  train loss {record['train_loss']:.3f}  dev loss "
                f"{record['dev_loss']:.3f}  dev {dev_scores(record)}{' best' if record['best'] else ''}  "
                f"{record['audio_seconds_per_second']:.0f} audio s/s"
            )

    def evaluate(
        self, test: Dataset, *, title: str = "", notes: Sequence[str] = (), shared: Collection[str] = ()
    ) -> Report:
        """The report on speakers that training never saw. Every process calls it and gets the whole report.

        Args:
            test: rows with the columns of `data.schema`
            title: what is evaluated, for headings
            notes: what a reader of the figures must know
            shared: speakers that the test part may share with training (`Split.shared`): only to reproduce figures that
                were published so; the report's title, notes and facts then say what it is not

        Raises:
            ConfigError: the test set has an emotion that the model doesn't know
            SplitError: the model was trained on, or its epoch chosen on, some of the speakers, or clips are synthetic
        """
        return evaluate(
            self.model,
            test,
            self.evaluation,
            clips=self.feed.clips(test),
            title=title,
            notes=notes,
            training_notes=self.notes,
            facts=self.facts,
            shared=shared,
        )

    def _measure_norms(self, *parts: tuple[Dataset, Clips]) -> None:
        """Measures the statistics of the speakers or corpora of some parts, if the model normalises by them."""
        statistics = self.model.config.statistics
        if statistics != "training":
            check_norms(statistics, [name for corpus, _ in parts for name in corpus[statistics][:]])
            self.norms.update(measure_norms(self.model, [clips for _, clips in parts], self.evaluation))

    @property
    def facts(self) -> dict[str, Any]:
        """What a report should tell of the training: parameters, epochs, time, configuration."""
        known = run_facts(self.model, self.history, self.accelerator)
        named: dict[str, Any] = {"strategy": type(self.strategy).__name__.lower(), "seed": self.seed}
        if self.alignment.method != "none":
            named["alignment"] = asdict(self.alignment)
        if self.model.config.statistics != "training":
            named["statistics"] = self.model.config.statistics
        if self.model.dimensions:
            named["dimensions"] = asdict(self.dimensions)
        if self.views is not None:
            named |= {"augment": self.views.chain.facts | self.augment.facts, "views": self.views.number}
        elif self.augment:
            named["augment"] = self.augment.facts
        return known | named | self.heard | ({"refit": self.refit} if self.refit else {})

    def clear_states(self) -> None:
        """Deletes the training states, once the results they were kept for are on disk."""
        if self.folder is not None:
            TrainingStates(self.folder / "states", self.accelerator).clear()
