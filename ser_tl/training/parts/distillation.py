"""Distillation of a whole model: a student is taught by the labels of its clips and by what a teacher says of them.

    Teacher, training part --lessons--> (n, C), which go with the clips as `Batch.auxiliary["teacher"]`
      --DistillationLoss--> alpha T^2 KL(teacher || student) + (1 - alpha) * the loss of emotions

The teacher speaks once, before the first step. What it said goes with a clip through the feature cache of a frozen
student, sampling, and mixup, which mixes it as it mixes labels. Where the student hears a crop or an augmented clip,
the teacher's word is still that on the whole clip as it was. Dev and test have labels alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from datasets import Dataset
from torch import nn

from ser_tl.data.batching import Clips
from ser_tl.errors import ConfigError
from ser_tl.inference.scoring import corpus_norms, score_clips
from ser_tl.model import EmotionModel
from ser_tl.modules.losses import distillation_loss
from ser_tl.runtime.processes import evaluation_pass
from ser_tl.training.config import TrainConfig
from ser_tl.training.feed import Feed
from ser_tl.training.part import PARTS, Losses, Part, Step, Training
from ser_tl.transfer.frozen import Frozen


@dataclass(frozen=True)
class TeachConfig:
    """How a student is taught by another model.

    Args:
        temperature: both models' logits are divided by it: above 1 brings out which classes the teacher holds alike
        alpha: the teacher's share of the loss; 0 leaves the labels alone, 1 the teacher
        unchecked: take a teacher that can't be shown not to know the test speakers; the report says so
    """

    temperature: float = 2.0
    alpha: float = 0.7
    unchecked: bool = False

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ConfigError(f"teach.temperature is {self.temperature}: expected more than 0, 1 to 5 as a rule")
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"teach.alpha is {self.alpha}: expected a share from 0 (labels) to 1 (the teacher)")


@dataclass(frozen=True)
class Teacher:
    """A model that a student learns from.

    Args:
        model: trained
        folder: where it was found
        config: temperature, and the teacher's share
        notes: what a report on the student must say of the teacher
    """

    model: EmotionModel
    folder: Path
    config: TeachConfig
    notes: tuple[str, ...] = ()

    def lessons(
        self, corpus: Dataset, labels: list[str], accelerator: Accelerator, train: TrainConfig, seed: int = 0
    ) -> np.ndarray:
        """What the teacher says of each clip, probabilities (n, C) at the temperature, float32. Every process calls it.

        It hears clips whole and unchanged, long ones in windows, whose probabilities are averaged before the
        temperature is applied: softmax(log p / T), which is softmax(logits / T) where there is one window.

        Args:
            corpus: the training part
            labels: the student's, in its order
            accelerator: whose processes share the work
            train: batch size, workers, and whether the encoder's states are kept in the feature cache
            seed: of the training
        """
        clips = Feed(self.model, Frozen(), train, accelerator, seed).clips(corpus)
        how = evaluation_pass(accelerator, train)
        self.model.to(accelerator.device)
        predictions, _ = score_clips(self.model, corpus, clips, how, corpus_norms(self.model, corpus, clips, how))
        self.model.cpu()
        own = [self.model.labels.index(label) for label in labels]
        logs = torch.from_numpy(predictions.probabilities[:, own]).log() / self.config.temperature
        return logs.softmax(dim=1).float().numpy()

    def facts(self, student: nn.Module) -> dict[str, Any]:
        """What a report should tell of the teaching: teacher, temperature, share, and how much smaller the student is.

        Args:
            student: to be compared in parameters, moving or not
        """
        own, small = (sum(weights.numel() for weights in model.parameters()) for model in (self.model, student))
        asked = {name: value for name, value in asdict(self.config).items() if name != "unchecked"}
        return asked | {
            "teacher": str(self.folder),
            "encoder": self.model.encoder_name,
            "teacher_parameters": own,
            "student_parameters": small,
            "ratio": round(own / small, 2),
        }


class DistillationLoss(nn.Module):
    """The teacher's share of the loss.

    Args:
        config: share and temperature
    """

    def __init__(self, config: TeachConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, step: Step, losses: Losses) -> Losses:
        """Adds the teacher's say to that of the labels."""
        alpha, said = self.config.alpha, step.batch.auxiliary["teacher"]
        divergence = distillation_loss(step.output.logits, said, self.config.temperature)
        return losses._replace(utterances=alpha * divergence + (1.0 - alpha) * losses.utterances)


@PARTS.register("distillation")
class Distillation(Part):
    """A teacher beside the labels.

    Args:
        teacher: whose labels are the student's
    """

    order = 40
    teaches_clips = True

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher
        self._facts: dict[str, Any] = {}
        self._said: list[str] = []

    @property
    def asked(self) -> str:
        """The option."""
        return f"--teacher is {self.teacher.folder}"

    def bind(self, training: Training) -> None:
        """Refuses a teacher of other labels, and clips that it can't hear."""
        teacher, labels = self.teacher, training.model.labels
        own, others = set(labels), set(teacher.model.labels)
        if own != others or not own:
            raise ConfigError(
                f"--teacher {teacher.folder} tells {_named(teacher.model.labels)}, the student is to tell "
                f"{_named(labels)} (it lacks {_named(sorted(others - own))}; the teacher lacks "
                f"{_named(sorted(own - others))}): train the teacher with the same --corpus and --emotions options"
            )

    def tables(self, training: Training) -> Mapping[str, np.ndarray]:
        """What the teacher says of each clip."""
        labels, options = training.model.labels, (training.accelerator, training.config, training.seed)
        return {"teacher": self.teacher.lessons(training.train, labels, *options)}

    def prepare(self, training: Training, clips: Clips) -> Clips:
        """Notes the teacher, and that whom it knows, the student knows by hearsay."""
        training.model.known_speakers |= self.teacher.model.known_speakers
        self._facts = self.teacher.facts(training.model)
        self._said = [self._note(refit=training.refits), *self.teacher.notes]
        return clips

    def loss(self, training: Training) -> nn.Module | None:  # noqa: ARG002
        """The teacher's share."""
        return DistillationLoss(self.teacher.config)

    def _note(self, *, refit: bool) -> str:
        known = self._facts
        note = (
            f"taught by {known['teacher']} ({known['encoder']}, {known['teacher_parameters'] / 1e6:.2f} M parameters, "
            f"{known['ratio']:g} times the student's {known['student_parameters'] / 1e6:.2f} M): share "
            f"{known['alpha']:g} of the loss at temperature {known['temperature']:g} (Hinton et al. 2015)"
        )
        return note + "; the refitted classifier is taught by labels alone" * refit

    @property
    def facts(self) -> dict[str, Any]:
        """The teaching."""
        return {"teaching": self._facts} if self._facts else {}

    @property
    def notes(self) -> list[str]:
        """Who taught, and how much."""
        return self._said


def _named(labels: list[str]) -> str:
    return ", ".join(labels) or "none"
