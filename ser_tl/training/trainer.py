"""One training, on one CPU, one GPU or many processes, through Accelerate.

    Trainer(model, strategy, config, folder).fit(train, dev) -> history, and the model has the weights of the best epoch
    trainer.evaluate(test) -> Report

`fit` never sees a test set: the epoch is chosen on dev UAR. The strategy decides what moves; the trainer knows only
batches, steps and epochs. Each step's loss is the mean over the utterances of all its micro-batches and processes, so
uneven batches weigh no one twice.
"""

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed
from datasets import Dataset
from torch import Tensor
from tqdm.auto import tqdm

from ser_tl.data import schema
from ser_tl.data.batching import Clips, Utterances, plan_batches
from ser_tl.data.splits import shared_note
from ser_tl.encoders import parameter_count
from ser_tl.errors import CheckpointError, ConfigError, SplitError, listing
from ser_tl.evaluation import Report, Scores, confusion
from ser_tl.losses import class_weights, cross_entropy
from ser_tl.model import EmotionModel
from ser_tl.training.cache import FeatureCache
from ser_tl.training.checkpoint import TrainingStates
from ser_tl.training.config import TrainConfig
from ser_tl.training.facts import moving_parameters, run_facts, what_is_heard
from ser_tl.training.inference import predict_corpus
from ser_tl.training.processes import accelerator, own_batches
from ser_tl.training.progress import Progress, rate_factor
from ser_tl.training.refit import refit_discriminant
from ser_tl.training.statistics import fit_statistics
from ser_tl.transfer import Rates, Strategy

OPTIMIZERS = {"adamw": torch.optim.AdamW, "radam": torch.optim.RAdam}

OnBest = Callable[[EmotionModel, dict[str, Any]], None]


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
        seed: chooses batches and crops
        on_best: called in the main process whenever an epoch is the best so far, with the model as it is then and the
            epoch's record

    Raises:
        ConfigError: a precision or tracker that can't be had here
    """

    def __init__(
        self,
        model: EmotionModel,
        strategy: Strategy,
        config: TrainConfig | None = None,
        folder: str | Path | None = None,
        *,
        seed: int = 0,
        on_best: Sequence[OnBest] = (),
    ) -> None:
        self.model = model
        self.strategy = strategy
        self.config = config or TrainConfig()
        self.folder = None if folder is None else Path(folder)
        self.seed = seed
        self.on_best = list(on_best)
        self.history: list[dict[str, Any]] = []
        self.heard: dict[str, Any] = {}
        self.refit: dict[str, float] = {}
        self.cache = FeatureCache(gib=self.config.cache_gib)
        self.accelerator = accelerator(self.config, self.folder)
        self.tracked = self.folder is not None and self.config.tracker != "none"

    def fit(self, train: Dataset, dev: Dataset, *, resume: bool = False) -> list[dict[str, Any]]:
        """Trains until the last epoch or until dev UAR stalls, then puts the best epoch's weights back.

        Args:
            train: what is learned from
            dev: what the epoch is chosen on; other speakers than train's
            resume: go on from the newest training state in the folder, if there is one

        Returns:
            One record per epoch: epoch (from 1), best, train_loss, dev_loss, dev_uar, dev_war, learning_rates,
            trainable_parameters, steps, seconds, audio_seconds_per_second.

        Raises:
            ConfigError: the corpus' emotions and the model's labels don't meet
            CheckpointError: the training state can't be used
        """
        self._check_labels(train, dev)
        if len(train) < self.accelerator.num_processes:
            raise ConfigError(f"{len(train)} training utterances can't feed {self.accelerator.num_processes} processes")
        self.model.known_speakers = sorted({*train["speaker"], *dev["speaker"]})
        self.heard = what_is_heard(train, dev)
        self.strategy.prepare(self.model)
        groups = self.strategy.param_groups(
            self.model, Rates(self.config.learning_rate, self.config.encoder_learning_rate)
        )
        peaks = [group["lr"] for group in groups]
        optimizer = OPTIMIZERS[self.config.optimizer](groups, weight_decay=self.config.weight_decay)
        wrapped, optimizer = self.accelerator.prepare(self.model, optimizer)
        clips, dev_clips = self._clips(train, training=True), self._clips(dev)
        states = None if self.folder is None else TrainingStates(self.folder / "states", self.accelerator)
        progress, best = Progress(), None
        loaded = states.load() if resume and states is not None else None
        if loaded is not None:
            progress, best = loaded
        else:
            fit_statistics(self.model, self._clips(train), self.accelerator, self.config, seed=self.seed)
        if self.tracked:
            self.accelerator.init_trackers("curves")
        weights = class_weights(train["emotion"], self.model.labels) if self.config.class_weights else None
        weights = None if weights is None else weights.to(self.accelerator.device)
        while not progress.finished:
            self.strategy.on_epoch_start(self.model, progress.epoch)
            self._epoch(wrapped, optimizer, peaks, clips, weights, progress, best, states)
            record = self._record(progress, optimizer) | self._score(dev, dev_clips)
            if progress.end_epoch(record, self.config):
                best = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}
                for tell in self.on_best if self.accelerator.is_main_process else ():
                    tell(self.model, progress.history[-1])
            self._track(progress)
            if states is not None:
                states.save(progress, best)
        if best is None:
            raise CheckpointError("the training state has no best epoch: delete the folder's states and train again")
        self.model.load_state_dict(best)
        if self.config.refit == "discriminant":
            speaker_of = dict(zip([*train["id"], *dev["id"]], [*train["speaker"], *dev["speaker"]], strict=True))
            parts = [self._clips(train), dev_clips]
            self.refit = refit_discriminant(self.model, parts, speaker_of, self.accelerator, self.config)
        if self.tracked:
            for tracker in self.accelerator.trackers:  # not end_training: it ends the process group too
                tracker.finish()
        self.history = progress.history
        return progress.history

    def _epoch(
        self,
        wrapped: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        peaks: list[float],
        clips: Clips,
        weights: Tensor | None,
        progress: Progress,
        best: dict[str, Tensor] | None,
        states: TrainingStates | None,
    ) -> None:
        """The steps of one epoch, from `progress.step` on."""
        config, processes = self.config, self.accelerator
        clips.epoch = progress.epoch
        seconds = clips.seconds
        plan = plan_batches(
            seconds,
            config.batch_seconds,
            shuffle=(self.seed, progress.epoch),
            processes=processes.num_processes,
        )
        steps = [plan[first : first + config.accumulate] for first in range(0, len(plan), config.accumulate)]
        left = [micro for step in steps[progress.step :] for micro in step]
        batches = own_batches(clips, left, processes, config.workers)
        wrapped.train()
        bar = tqdm(
            total=len(steps),
            initial=progress.step,
            desc=f"epoch {progress.epoch + 1}/{config.epochs}",
            disable=not processes.is_local_main_process,
            unit="step",
        )
        for number in range(progress.step, len(steps)):
            begin = time.perf_counter()
            step = steps[number]
            factor = rate_factor(config, (progress.epoch + number / len(steps)) / config.epochs, progress.scale)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
            members = [clip for micro in step for batch in micro for clip in batch]
            loss_sum = torch.zeros((), device=processes.device)
            for micro in range(len(step)):
                last = micro == len(step) - 1
                with nullcontext() if last else processes.no_sync(wrapped):
                    batch = next(batches)
                    output = wrapped(batch)
                    losses = cross_entropy(output.logits, batch.labels, weights, config.label_smoothing)
                    # DDP averages over processes; this undoes it and divides by the step's utterances instead.
                    loss = losses.sum() * processes.num_processes / len(members)
                    penalty = self.strategy.penalty(output, batch)
                    processes.backward(loss if penalty is None else loss + penalty / len(step))
                    loss_sum += losses.detach().sum()
            if config.clip:
                processes.clip_grad_norm_(self.model.parameters(), config.clip)
            optimizer.step()
            optimizer.zero_grad()
            progress.step += 1
            progress.loss_sum += float(processes.reduce(loss_sum, "sum"))
            progress.utterances += len(members)
            progress.audio_seconds += sum(seconds[clip] for clip in members)
            progress.seconds += time.perf_counter() - begin
            bar.update()
            bar.set_postfix(self._postfix(progress))
            if states is not None and config.save_every and progress.step % config.save_every == 0:
                states.save(progress, best)
        bar.close()

    @staticmethod
    def _postfix(progress: Progress) -> dict[str, str]:
        shown = {
            "loss": f"{progress.loss_sum / progress.utterances:.3f}",
            "audio_s/s": f"{progress.audio_seconds / progress.seconds:.0f}",
        }
        return shown | ({"dev_UAR": f"{100 * progress.history[-1]['dev_uar']:.1f}"} if progress.history else {})

    def _record(self, progress: Progress, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        return {
            "train_loss": progress.loss_sum / progress.utterances,
            "learning_rates": {group["name"].split(",")[0]: group["lr"] for group in optimizer.param_groups},
            "trainable_parameters": moving_parameters(self.model),
            "steps": progress.step,
            "seconds": progress.seconds,
            "audio_seconds_per_second": progress.audio_seconds / progress.seconds,
        }

    def _clips(self, corpus: Dataset, *, training: bool = False) -> Clips:
        """The corpus' clips: what the encoder makes of them if it never moves, else their audio.

        Every process calls it.
        """
        clips = Utterances(corpus, self.model.labels, self.model.audio, training=training, seed=self.seed)
        moving = parameter_count(block.modules for block in self.strategy.may_move(self.model))
        if moving or not self.config.cache:
            return clips
        return self.cache.fill(clips, self.model, self.accelerator, self.config)

    def _score(self, dev: Dataset, clips: Clips) -> dict[str, float]:
        predictions, loss = predict_corpus(self.model, dev, clips, self.accelerator, self.config)
        found = Scores.of(confusion(predictions.references, predictions.predictions, predictions.labels))
        return {"dev_loss": loss, "dev_uar": found.uar, "dev_war": found.war}

    def _track(self, progress: Progress) -> None:
        record = progress.history[-1]
        if self.tracked:
            numbers = {name: value for name, value in record.items() if isinstance(value, float)}
            rates = {f"learning_rate/{name}": value for name, value in record["learning_rates"].items()}
            self.accelerator.log(numbers | rates, step=record["epoch"])
        if self.accelerator.is_main_process:
            tqdm.write(
                f"epoch {record['epoch']:>3}  train loss {record['train_loss']:.3f}  dev loss "
                f"{record['dev_loss']:.3f}  dev UAR {100 * record['dev_uar']:.1f}{' best' if record['best'] else ''}  "
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
            SplitError: the model was trained on, or its epoch chosen on, some of the speakers
        """
        check_known(test, self.model.labels)
        known = sorted(set(test["speaker"]) & set(self.model.known_speakers))
        if set(known) - set(shared):
            raise SplitError(
                f"the model knows {len(known)} of the {len(set(test['speaker']))} speakers from its training, so the "
                f"score would not be speaker-independent; evaluate on its run's test part alone (ser-tl evaluate --ids "
                f"runs/NAME/split.json), or on another corpus\n{listing(known)}"
            )
        predictions, _ = predict_corpus(self.model, test, self._clips(test), self.accelerator, self.config)
        facts = self.facts
        if known:
            title = f"{title} (NOT speaker-independent)".strip()
            notes = [shared_note(known, test["speaker"]), *notes]
            facts |= {"speaker_independent": False}
        return Report.of(predictions, title=title, notes=notes, facts=facts)

    def _check_labels(self, train: Dataset, dev: Dataset) -> None:
        for corpus in (train, dev):
            check_known(corpus, self.model.labels)
        unseen = sorted(set(self.model.labels) - set(schema.emotions(train)))
        if unseen:
            raise ConfigError(
                f"the model has the labels {', '.join(unseen)}, of which there is no training utterance: build it with "
                f"the training part's emotions, or drop them with --emotions.drop"
            )

    @property
    def facts(self) -> dict[str, Any]:
        """What a report should tell of the training: parameters, epochs, time, configuration."""
        known = run_facts(self.model, self.history, self.accelerator)
        named = {"strategy": type(self.strategy).__name__.lower(), "seed": self.seed}
        return known | named | self.heard | ({"refit": self.refit} if self.refit else {})

    def clear_states(self) -> None:
        """Deletes the training states, once the results they were kept for are on disk."""
        if self.folder is not None:
            TrainingStates(self.folder / "states", self.accelerator).clear()


def check_known(corpus: Dataset, labels: list[str]) -> None:
    """Refuses a corpus with emotions that a model has no label for.

    Raises:
        ConfigError: some emotions are unknown to the model
    """
    strangers = sorted(set(schema.emotions(corpus)) - set(labels))
    if strangers:
        raise ConfigError(
            f"the model knows {', '.join(labels)}; the corpus also has {', '.join(strangers)}: drop them "
            f"(--emotions.drop '[{', '.join(strangers)}]') or merge them into the model's labels (--emotions.merge)"
        )
