"""The distillation of one encoder into another, on one CPU, one GPU or several processes, through Accelerate.

EncoderDistiller(teacher, student, config, folder).fit(recordings, probe, resume) -> student

crop --> teacher, frozen -----------------------> its states
--> noise, another level --> student ------> its states --> heads --> loss

folder/ state.safetensors, log.jsonl   what `resume` goes on from
curves.png
"""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import torch
from accelerate.utils import broadcast
from torch import Tensor, nn
from torch.optim import AdamW
from tqdm.auto import tqdm

from ser_tl.augment import AugmentConfig, BatchRng, Chain, ClipTransform, Crop, Speed, TimeStretch
from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.data.batching import Batch
from ser_tl.distill.crop_sampler import CropSampler
from ser_tl.distill.distill_config import CHANGEABLE, DistillConfig
from ser_tl.distill.feature_loss import FeatureDistillationLoss, align_states, remove_positions
from ser_tl.distill.gabor import init_gabor_filters
from ser_tl.distill.probe import Probe
from ser_tl.distill.students import copy_layers
from ser_tl.encoders import Encoder, EncoderOutput, SpeechSSL
from ser_tl.encoders.fingerprint import fingerprint
from ser_tl.errors import ConfigError
from ser_tl.reporting import plots
from ser_tl.runtime.processes import build_accelerator
from ser_tl.runtime.reduction import agree_on_seconds, average_gradients
from ser_tl.runtime.state_file import StateFile, append_log, read_log
from ser_tl.terminal import is_quiet
from ser_tl.training import TrainConfig
from ser_tl.training.progress import rate_factor

_VOICES = 64  # crops that are held for babble


class StepFigures(NamedTuple):
    """The figures of a step, for the log."""

    losses: Tensor  # (P,), NaN for pairs that weren't trained
    cosines: Tensor  # (P,)
    audio: float  # seconds, over all processes
    seconds: float  # that the step took


class EncoderDistiller:
    """Trains one student.

    Args:
        teacher: frozen
        student: trained in place
        config: of the distillation
        folder: where state, log and picture are kept
        augment: augmentation of the student's input; the teacher gets clean audio
        seed: of the heads and of all draws

    Raises:
        ConfigError: states, layers or transforms that don't fit, or a precision that can't be had here
    """

    def __init__(
        self,
        teacher: Encoder,
        student: SpeechSSL,
        config: DistillConfig,
        folder: Path,
        *,
        augment: AugmentConfig | None = None,
        seed: int = 0,
    ) -> None:
        self.config = config
        self.folder = folder
        self.seed = seed
        self.accelerator = build_accelerator(TrainConfig(precision=config.precision, threads=config.threads), None)
        self.teacher = teacher.to(self.accelerator.device).requires_grad_(False).eval()
        if config.initial == "teacher":
            copy_layers(teacher, student)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            loss = FeatureDistillationLoss(teacher, student, config)
        # "lessons" is the heads' name in saved states.
        self.network = nn.ModuleDict({"student": student, "lessons": loss}).to(self.accelerator.device)
        self.student, self.loss = student, loss
        self.optimizer = AdamW(
            self.network.parameters(),
            config.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=True,
        )
        options = asdict(config) | {"teacher": fingerprint(teacher.state_dict())}
        self.state = StateFile(folder, {"network": self.network}, {"network": self.optimizer}, options, CHANGEABLE)
        self.chain = _chain(augment or AugmentConfig(), config.crop, seed)
        self.history: list[dict[str, Any]] = []
        self.step = 0
        self.seconds = 0.0

    def fit(self, recordings: CropSampler, probe: Probe | None = None, *, resume: bool = False) -> SpeechSSL:
        """Trains until the options' last step or minute.

        Args:
            recordings: the input of both
            probe: asked every `probe_every` minutes and in the end; None for never
            resume: go on from the state in the folder, if there is one

        Returns:
            The student, on the training's device, in evaluation mode.

        Raises:
            AudioError: a recording can't be read
            CheckpointError: the state is damaged, or of other options
            ConfigError: the loss is no number any more
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.config.front == "bands":
            init_gabor_filters(self.student, *self._draw_crops(recordings, BatchRng(self.seed), _VOICES))
            self.student.model.encoder.pos_conv_embed.requires_grad_(False)
        loaded = self.state.load() if resume else None
        self.step, self.seconds = loaded or (0, 0.0)
        if self.accelerator.is_main_process:
            self.history = read_log(self.folder, self.step)
        voices = recordings.draw(_VOICES, BatchRng(self.seed))[0] if self.chain.needs_voices else []
        self.chain.prepare_from(list(voices))
        self.student.train()
        begin = time.monotonic() - self.seconds
        saved = probed = self.seconds
        figures: list[StepFigures] = []
        while self._done < 1.0:
            figures.append(self._train_step(recordings))
            self.seconds = agree_on_seconds(self.accelerator, time.monotonic() - begin)
            ended = self._done >= 1.0
            if len(figures) >= self.config.log_every or ended:
                self._log(figures)
                figures = []
            every = 60 * self.config.probe_every
            if probe is not None and every and (self.seconds - probed >= every) and not ended:
                self._probe(probe)
                probed = self.seconds = agree_on_seconds(self.accelerator, time.monotonic() - begin)
            if self.seconds - saved >= 60 * self.config.save_every or ended:
                self._save()
                saved = self.seconds
        self.loss.fold_scale(self.student)
        self.student.eval()
        return self.student

    @property
    def _done(self) -> float:
        return self.config.done(self.step, self.seconds / 60)

    def _train_step(self, recordings: CropSampler) -> StepFigures:
        begin, config = time.monotonic(), self.config
        rate = rate_factor(TrainConfig(warmup=config.warmup), self._done)
        first = self.step < config.freeze_steps
        draws = BatchRng(self.seed, self.step, self.accelerator.process_index)
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * rate
        waveform, lengths = self._draw_crops(recordings, draws, *self._crops(draws))
        pair_indices = self.loss.select_pairs(first=first)
        losses, cosines = self._losses(waveform, lengths, pair_indices)
        if not losses.isfinite().all():
            raise ConfigError(
                f"step {self.step}: the loss isn't a number any more: start anew with a lower distill.learning_rate"
            )
        losses.mean().backward()
        average_gradients(self.accelerator, self.network.parameters())  # the trained pairs change on the way: no DDP
        nn.utils.clip_grad_norm_(self.network.parameters(), config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        audio = float(lengths.sum()) / SAMPLE_RATE * self.accelerator.num_processes
        row = torch.full((2, len(self.loss.pairs)), torch.nan)
        row[:, pair_indices] = torch.stack([losses.detach().cpu(), cosines.cpu()])
        return StepFigures(row[0], row[1], audio, time.monotonic() - begin)

    def _crops(self, draws: BatchRng) -> tuple[int, float]:
        """How many crops a step has, and of how many seconds."""
        config = self.config
        if config.shortest is None:
            return config.batch, config.crop
        share = float(draws.uniform(1, 0, 1))
        seconds = round(config.shortest * (config.crop / config.shortest) ** share, 1)
        return max(1, round(config.batch * config.crop / seconds)), seconds

    def _draw_crops(
        self, recordings: CropSampler, draws: BatchRng, count: int, seconds: float | None = None
    ) -> tuple[Tensor, Tensor]:
        waveform, lengths = recordings.draw(count, draws, seconds)
        return waveform.to(self.accelerator.device), lengths.to(self.accelerator.device)

    def _losses(self, waveform: Tensor, lengths: Tensor, pair_indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        pairs = [self.loss.pairs[index] for index in pair_indices]
        teacher_layers = sorted({pair.teacher for pair in pairs})
        student_layers = sorted({pair.student for pair in pairs})
        with torch.no_grad(), self.accelerator.autocast():
            teacher_output = self.teacher(waveform, lengths, teacher_layers)
            if teacher_layers[0] == 0:
                teacher_output.states[0] = remove_positions(self.teacher, teacher_output.states[0])
        with self.accelerator.autocast():
            student_output: EncoderOutput = self.student(*self._augment(waveform, lengths), student_layers)
        states, inside = align_states(teacher_output.states, teacher_output.mask, student_output.mask, self.loss.ratio)
        targets = dict(zip(teacher_layers, states, strict=True))
        if self.loss.measure_scale(
            targets, inside, pair_indices
        ):  # on each process' own crops: the first one's scale is all's
            broadcast([self.loss.centre, self.loss.spread])
        with self.accelerator.autocast():
            return self.loss(
                targets, dict(zip(student_layers, student_output.states, strict=True)), inside, pair_indices
            )

    def _augment(self, waveform: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The student's input."""
        if not self.chain:
            return waveform, lengths
        batch = Batch(waveform, lengths, labels=torch.full_like(lengths, -1), ids=[])
        changed, _ = self.chain(batch, self.step, self.accelerator.process_index)
        return changed.waveform, changed.lengths

    def _log(self, figures: Sequence[StepFigures]) -> None:
        losses, cosines = (torch.stack(values) for values in list(zip(*figures, strict=True))[:2])
        self._record(
            {
                "loss": float(losses.nanmean(dim=1).mean()),
                "layers": self._by_layer(losses),
                "cosines": self._by_layer(cosines),
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "audio_seconds_per_second": fmean(step.audio for step in figures)
                / fmean(step.seconds for step in figures),
            }
        )

    def _by_layer(self, values: Tensor) -> dict[str, float]:
        """Means over the steps, by the teacher's layer, of pairs that were trained in them."""
        means = zip(self.loss.pairs, values.nanmean(dim=0).tolist(), strict=True)
        return {str(pair.teacher): mean for pair, mean in means if mean == mean}

    def _probe(self, probe: Probe) -> None:
        if self.accelerator.is_main_process:
            self._record({"probe_uar": probe(self.student, self.accelerator).uar})
        self.accelerator.wait_for_everyone()

    def _record(self, figures: dict[str, Any]) -> None:
        record: dict[str, Any] = {"step": self.step, "minutes": round(self.seconds / 60, 3)} | figures
        if not self.accelerator.is_main_process:
            return
        self.history.append(record)
        append_log(self.folder, record)
        if "loss" in record:
            each = "  ".join(f"{layer}: {cosine:.3f}" for layer, cosine in record["cosines"].items())
            text = f"loss {record['loss']:.3f}  cosine {each}  {record['audio_seconds_per_second']:.0f} s/s"
        else:
            text = f"probe UAR {100 * record['probe_uar']:.1f}"
        if not is_quiet():
            tqdm.write(f"step {self.step:>6}  {record['minutes']:7.2f} min  {text}")

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            self.state.save(self.step, self.seconds)
            plots.distillation_picture(self.history, self.folder / "curves.png")
        self.accelerator.wait_for_everyone()


def _chain(config: AugmentConfig, crop: float, seed: int) -> Chain:
    """The student's transforms.

    Raises:
        ConfigError: a transform after which the student's frames aren't the teacher's
    """
    chain = Chain(config, 0, longest=crop, seed=seed)
    time_changing = (Speed, TimeStretch, Crop)
    wrong = [
        transform.name
        for transform in chain.transforms
        if not isinstance(transform, ClipTransform) or isinstance(transform, time_changing)
    ]
    if wrong or config.views:
        raise ConfigError(
            f"augment: the student needs the same audio as the teacher, at the same times, and its states are trained; "
            f"leave out {', '.join(wrong) or 'augment.views'}. Noise, background, babble, gain, reverb, "
            f"telephone and their like are fine"
        )
    return chain
