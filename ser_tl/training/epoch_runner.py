"""The steps of a training: batches in, updated weights out.

    plan of an epoch -> micro-batches of source (and target) --parts' changes of the source--> Objective -> gradients
      -> optimizer

Each step's loss is the mean over the utterances of all its micro-batches and processes, so the clips of small
batches weigh no more than others. Independent of dev sets, best epochs and reports.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from math import isnan

import torch
from accelerate import Accelerator

from ser_tl.augment import FeatureHooks
from ser_tl.data.batch_plan import BatchPlan, plan_batches
from ser_tl.data.batching import Batch, Clips
from ser_tl.errors import ConfigError
from ser_tl.inference.bars import progress_bar
from ser_tl.runtime.processes import load_local_batches
from ser_tl.runtime.sharding import Shards
from ser_tl.training.objective import Objective
from ser_tl.training.part import Training
from ser_tl.training.progress import Progress, format_dev_scores, rate_factor
from ser_tl.transfer import LearningRates
from ser_tl.transfer.strategy import NO_DECAY

OPTIMIZERS = {"adamw": partial(torch.optim.AdamW, fused=True), "radam": torch.optim.RAdam}
"""Fused: one pass over each weight and its memory. With a frozen encoder the optimizer is a third of a step without."""


class EpochRunner:
    """Runs the optimizer over the batches of an epoch.

    Args:
        training: its strategy is prepared, and its clips are; its parts change batches and draw clips
    """

    def __init__(self, training: Training) -> None:
        self.parts, self.strategy, self.config = training.parts, training.strategy, training.config
        self.accelerator: Accelerator = training.accelerator
        self.seed, self._name = training.seed, training.name
        terms = {part.name: part.loss(training) for part in self.parts}
        self.objective = objective = Objective(training.model, self.strategy, terms, training.norms)
        config, strategy, accelerator = self.config, self.strategy, self.accelerator
        self.shards = Shards(objective, accelerator, "model.encoder", common=["norms"]) if config.shard else None
        self._trained: Objective = objective if self.shards is None else self.shards.sharded
        rates = LearningRates(config.learning_rate, config.encoder_learning_rate)
        groups = strategy.param_groups(self._trained.model, rates)
        for name, term in self._trained.terms.items():
            if weights := list(term.parameters()):
                groups.append({"name": name, "params": weights, "lr": rates.head})
        self._peaks = [group["lr"] for group in groups]
        self._optimizer = OPTIMIZERS[config.optimizer](groups, weight_decay=config.weight_decay)
        if self.shards is not None:
            self.shards.keep(self._optimizer)
        self.prepare()

    def prepare(self) -> None:
        """Prepares model and optimizer with Accelerate, again whenever other parameters become trainable.

        DDP waits for the gradients of the parameters that were trainable when it was made; the optimizer and its state
        stay. Shards read which are trainable at the beginning of each epoch.
        """
        if self.shards is not None:
            self.wrapped, self.optimizer = self.shards, self._optimizer
            return
        self.accelerator.free_memory()
        self.wrapped, self.optimizer = self.accelerator.prepare(self.objective, self._optimizer)

    def run_epoch(
        self, clips: Clips, unlabelled: Clips | None, progress: Progress, save: Callable[[], None] | None = None
    ) -> None:
        """The steps of one epoch, from `progress.step` on.

        Args:
            clips: the training part
            unlabelled: the other domain's clips, repeated until every batch has a pair
            progress: updated in place
            save: called every `TrainConfig.save_every` steps
        """
        config, processes = self.config, self.accelerator
        clips.epoch = progress.epoch
        seconds = clips.seconds
        draws = [drawn for part in self.parts if (drawn := part.draw(progress.epoch)) is not None]
        drawn = draws[-1] if draws else range(len(clips))
        plan = plan_batches(
            [seconds[clip] for clip in drawn],
            config.batch_seconds,
            shuffle=(self.seed, progress.epoch),
            processes=processes.num_processes,
        )
        plan = [[[drawn[index] for index in batch] for batch in step] for step in plan]
        steps = [plan[first : first + config.accumulate] for first in range(0, len(plan), config.accumulate)]
        remaining = [micro for step in steps[progress.step :] for micro in step]
        batches = load_local_batches(clips, remaining, processes, config.workers)
        targets = self._iter_targets(unlabelled, progress.epoch, len(plan), len(remaining))
        bar = progress_bar(
            description=f"{self._name} epoch {progress.epoch + 1}/{config.epochs}".strip(),
            shown=processes.is_local_main_process,
            unit="step",
            total=len(steps),
            initial=progress.step,
        )
        with bar, nullcontext() if self.shards is None else self.shards.at_work():
            self.wrapped.train()
            for number in range(progress.step, len(steps)):
                begin = time.perf_counter()
                done = progress.epoch + number / len(steps)
                self._set_rates(done, progress.scale)
                members = [clip for micro in steps[number] for batch in micro for clip in batch]
                augmented = self._augment(batches, progress.epoch, number)
                loss_sum = self._step(steps[number], len(members), done, augmented, targets)
                if isnan(loss_sum):
                    raise ConfigError(
                        f"epoch {progress.epoch + 1}, step {number + 1}: the loss isn't a number any more, the "
                        f"training has diverged: lower train.learning_rate and train.encoder_learning_rate, or train "
                        f"with train.precision no"
                    )
                progress.step += 1
                progress.loss_sum += loss_sum
                progress.utterances += len(members)
                progress.audio_seconds += sum(seconds[clip] for clip in members)
                progress.seconds += time.perf_counter() - begin
                bar.update()
                bar.set_postfix(_format_postfix(progress))
                if save is not None and config.save_every and progress.step % config.save_every == 0:
                    save()

    def _step(
        self,
        step: BatchPlan,
        members: int,
        done: float,
        batches: Iterator[tuple[Batch, FeatureHooks | None]],
        targets: Iterator[Batch] | None,
    ) -> float:
        """Takes one step; returns the sum of the loss, without penalties, over all utterances and processes."""
        processes = self.accelerator
        loss_sum = torch.zeros((), device=processes.device)
        for micro in range(len(step)):
            last = micro == len(step) - 1
            with nullcontext() if last else processes.no_sync(self.wrapped):
                target = None if targets is None else next(targets)
                source, hooks = next(batches)
                losses = self.wrapped(source, target, done / self.config.epochs, hooks)
                # DDP averages over processes; this undoes it and divides by the step's utterances instead.
                loss = losses.utterances.sum() * processes.num_processes / members
                loss = losses.weight * (loss + losses.batch / len(step))
                processes.backward(loss + losses.penalty / len(step))
                loss_sum += losses.utterances.detach().sum() + len(losses.utterances) * losses.batch.detach()
        if self.config.clip:
            processes.clip_grad_norm_(self._trained.parameters(), self.config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return float(processes.reduce(loss_sum, "sum"))

    def _augment(self, batches: Iterator[Batch], *position: int) -> Iterator[tuple[Batch, FeatureHooks | None]]:
        """A step's augmented batches; random draws follow from the position in the training."""
        for micro, batch in enumerate(batches):
            augmented, hooks = batch, None
            for part in self.parts:
                augmented, part_hooks = part.augment(augmented, *position, micro, self.accelerator.process_index)
                hooks = hooks if part_hooks is None else part_hooks
            yield augmented, hooks

    def _set_rates(self, done: float, scale: float) -> None:
        factor = rate_factor(self.config, done / self.config.epochs, scale)
        for group, peak in zip(self.optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * factor * self.strategy.lr_scale(group["name"].removesuffix(NO_DECAY), done)

    def _iter_targets(self, unlabelled: Clips | None, epoch: int, steps: int, remaining: int) -> Iterator[Batch] | None:
        """A batch of the other domain for each remaining one: all of its clips, in a new order each time around."""
        if unlabelled is None:
            return None
        unlabelled.epoch = epoch
        plan: BatchPlan = []
        while len(plan) < steps:
            plan += plan_batches(
                unlabelled.seconds,
                self.config.batch_seconds,
                shuffle=(self.seed, epoch, len(plan)),
                processes=self.accelerator.num_processes,
            )
        return load_local_batches(unlabelled, plan[steps - remaining : steps], self.accelerator, self.config.workers)

    @property
    def rates(self) -> dict[str, float]:
        """The present learning rate of each group."""
        return {group["name"].removesuffix(NO_DECAY): group["lr"] for group in self.optimizer.param_groups}


def _format_postfix(progress: Progress) -> dict[str, str]:
    shown = {
        "loss": f"{progress.loss_sum / progress.utterances:.3f}",
        "audio_s/s": f"{progress.audio_seconds / progress.seconds:.0f}",
    }
    return shown | ({"dev": format_dev_scores(progress.history[-1])} if progress.history else {})
