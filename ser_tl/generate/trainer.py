"""Training of a WaveGAN: on one CPU, one GPU or several processes, through Accelerate.

    WaveGanTrainer(config, folder, seed).fit(split, resume) -> WaveGan

    folder/ state.safetensors, log.jsonl   what `resume` goes on from
            generator.safetensors          what `WaveGan.load` reads
            curves.png, sheet.png          the losses; real and synthetic clips of each class

It is trained on the training part of the split and nothing else.
"""

import time
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from tqdm.auto import tqdm

from ser_tl.augment import BatchRng
from ser_tl.augment.preview import log_mel
from ser_tl.data import schema
from ser_tl.data.splits import Split
from ser_tl.errors import ConfigError
from ser_tl.generate.gan import WaveGan
from ser_tl.generate.wavegan_config import CHANGEABLE, WaveGanConfig
from ser_tl.generate.wgan_gp import WganGp
from ser_tl.generate.windows import TrainingWindows
from ser_tl.reporting import plots
from ser_tl.runtime.processes import build_accelerator
from ser_tl.runtime.reduction import agree_on_seconds
from ser_tl.runtime.state_file import StateFile, append_log, read_log
from ser_tl.terminal import is_quiet
from ser_tl.training import TrainConfig
from ser_tl.training.inputs import digest_labels

GENERATOR_FILE = "generator.safetensors"


class WaveGanTrainer:
    """Trains one WaveGAN.

    Args:
        config: sizes, rates and how long
        folder: where states, log and pictures are kept
        train: of the classifiers' training options, precision and threads
        seed: of weights and all draws

    Raises:
        ConfigError: fp16, or a precision that can't be had here
    """

    def __init__(self, config: WaveGanConfig, folder: Path, train: TrainConfig | None = None, *, seed: int = 0) -> None:
        train = train or TrainConfig()
        if train.precision == "fp16":
            raise ConfigError(
                "train.precision is fp16, in which the gradient penalty's gradients vanish: choose bf16 or no"
            )
        self.config = config
        self.folder = folder
        self.seed = seed
        self.accelerator = build_accelerator(train, None)
        self.history: list[dict[str, Any]] = []
        self.step = 0
        self.seconds = 0.0

    def fit(self, split: Split, *, resume: bool = False) -> WaveGan:
        """Trains until the options' last step or minute.

        Args:
            split: whose training part is learned
            resume: go on from the state in the folder, if there is one

        Returns:
            The averaged generator, on the training's device.

        Raises:
            SplitError: synthetic clips are in the training part
            CheckpointError: the state is damaged, or of other options
        """
        labels = schema.emotions(split.train)
        windows = TrainingWindows(split.train, labels, self.config)
        gan = WaveGan(self.config, labels, level=windows.level, seed=self.seed)
        adversaries = WganGp(gan.generator, self.config, len(labels), self.seed, self.accelerator)
        gan.generator = adversaries.averaged
        self.folder.mkdir(parents=True, exist_ok=True)
        networks = {
            "generator": adversaries.generator,
            "critic": adversaries.critic,
            "averaged": adversaries.averaged,
        }
        options = asdict(self.config) | {"classes": labels, "training labels": digest_labels(split.train)}
        state = StateFile(self.folder, networks, adversaries.optimizers, options, CHANGEABLE)
        loaded = state.load() if resume else None
        self.step, self.seconds = loaded or (0, 0.0)
        if self.accelerator.is_main_process:
            self.history = read_log(self.folder, self.step)
        begin, figures = time.monotonic() - self.seconds, []
        while not self._finished:
            figures.append(self._train_step(adversaries, windows))
            self.seconds = agree_on_seconds(self.accelerator, time.monotonic() - begin)
            save = self.step % self.config.save_every == 0 or self._finished
            if save or self.step % self.config.log_every == 0:
                self._log(figures)
                figures = []
            if save:
                self._save(state, gan, windows)
        return gan

    @property
    def _finished(self) -> bool:
        last = self.config.steps
        return (last is not None and self.step >= last) or self.seconds >= 60 * self.config.most_minutes

    def _train_step(self, adversaries: WganGp, windows: TrainingWindows) -> dict[str, torch.Tensor]:
        """The steps of the critic and one of the generator."""
        self.step += 1
        device, batch = self.accelerator.device, self.config.batch
        figures: dict[str, torch.Tensor] = {}
        for turn in range(self.config.critic_steps + 1):
            draws = BatchRng(self.seed, self.step, turn, self.accelerator.process_index, device=device)
            real, classes = windows.draw(batch, draws)
            if turn < self.config.critic_steps:
                figures |= adversaries.critic_step(real.to(device), classes.to(device), draws)
            else:
                figures |= adversaries.generator_step(classes.to(device), draws, self.step)
        return figures

    def _log(self, figures: list[dict[str, torch.Tensor]]) -> None:
        means = {name: fmean(float(figures_of_step[name]) for figures_of_step in figures) for name in figures[0]}
        record = {"step": self.step, "seconds": round(self.seconds, 2)} | means
        if self.accelerator.is_main_process:
            self.history.append(record)
            append_log(self.folder, record)
            if not is_quiet():
                tqdm.write(
                    f"step {self.step:>6}  distance {means['distance']:8.3f}  penalty {means['penalty']:.3f}  "
                    f"{self.seconds:.0f} s"
                )

    def _save(self, state: StateFile, gan: WaveGan, windows: TrainingWindows) -> None:
        if self.accelerator.is_main_process:
            state.save(self.step, self.seconds)
            gan.save(self.folder / GENERATOR_FILE)
            plots.adversaries_picture(self.history, self.folder / "curves.png")
            plots.sample_sheet(self._sheet(gan, windows), self.folder / "sheet.png", rate=self.config.rate)
        self.accelerator.wait_for_everyone()

    def _sheet(self, gan: WaveGan, windows: TrainingWindows) -> dict[str, list[tuple[str, Any, Any]]]:
        """Of each class a real window and a synthetic clip, with their spectrograms."""
        draws, shown = BatchRng(self.seed), {}
        for label, members in zip(gan.labels, windows.by_class, strict=True):
            real = windows.crop(members[int(draws.choice(1, len(members)))], 0.5) * windows.level
            clips = [("real", real), ("synthetic", gan.sample(label, 1, self.seed)[0])]
            shown[label] = [(name, clip, log_mel(clip, self.config.rate)) for name, clip in clips]
        return shown
