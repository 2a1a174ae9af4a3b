"""Response-based distillation: a student is trained on the labels of its clips and on a teacher's soft labels.

    Teacher, training part --predict_soft_labels--> (n, C), which go with the clips as `Batch.auxiliary["teacher"]`
      --DistillationLoss--> alpha T^2 KL(teacher || student) + (1 - alpha) * the loss of emotions

The teacher predicts once, before the first step. A clip keeps its soft labels through the feature cache of a frozen
student, sampling, and mixup, which mixes them as it mixes labels. Where the student gets a crop or an augmented clip,
the soft labels are still those of the whole clip as it was. Dev and test have labels alone.
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
from ser_tl.runtime.processes import build_evaluation_pass
from ser_tl.training.features import FeaturePipeline
from ser_tl.training.part import PARTS, Losses, Part, Step, Training
from ser_tl.training.train_config import TrainConfig
from ser_tl.transfer.frozen import Frozen


@dataclass(frozen=True)
class TeachConfig:
    """How a student learns from another model.

    Args:
        temperature: both models' logits are divided by it: above 1 shows which classes the teacher finds similar
        alpha: the teacher's share of the loss; 0 is the labels alone, 1 the teacher alone
        unchecked: take a teacher that may have been trained on test speakers; the report says so
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
        folder: its model folder
        config: temperature, and the teacher's share
        notes: what a report on the student must say of the teacher
    """

    model: EmotionModel
    folder: Path
    config: TeachConfig
    notes: tuple[str, ...] = ()

    def predict_soft_labels(
        self, corpus: Dataset, labels: list[str], accelerator: Accelerator, train: TrainConfig, seed: int = 0
    ) -> np.ndarray:
        """The teacher's probabilities (n, C) of each clip at the temperature, float32. Every process calls it.

        Clips are whole and unchanged, long ones in windows, whose probabilities are averaged before the
        temperature is applied: softmax(log p / T), which is softmax(logits / T) where there is one window.

        Args:
            corpus: the training part
            labels: the student's, in its order
            accelerator: whose processes share the work
            train: batch size, workers, and whether the encoder's states are cached
            seed: of the training
        """
        clips = FeaturePipeline(self.model, Frozen(), train, accelerator, seed).load_clips(corpus)
        how = build_evaluation_pass(accelerator, train)
        self.model.to(accelerator.device)
        predictions, _ = score_clips(self.model, corpus, clips, how, corpus_norms(self.model, corpus, clips, how))
        self.model.cpu()
        columns = [self.model.labels.index(label) for label in labels]
        logs = torch.from_numpy(predictions.probabilities[:, columns]).log() / self.config.temperature
        return logs.softmax(dim=1).float().numpy()

    def facts(self, student: nn.Module) -> dict[str, Any]:
        """Facts for the report: teacher, temperature, share, and how much smaller the student is.

        Args:
            student: whose parameters are counted, trainable or not
        """
        teacher_size, student_size = (
            sum(weights.numel() for weights in model.parameters()) for model in (self.model, student)
        )
        options = {name: value for name, value in asdict(self.config).items() if name != "unchecked"}
        return options | {
            "teacher": str(self.folder),
            "encoder": self.model.encoder_name,
            "teacher_parameters": teacher_size,
            "student_parameters": student_size,
            "ratio": round(teacher_size / student_size, 2),
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
        """Adds the teacher's loss to that of the labels."""
        alpha, soft_labels = self.config.alpha, step.batch.auxiliary["teacher"]
        divergence = distillation_loss(step.output.logits, soft_labels, self.config.temperature)
        return losses._replace(utterances=alpha * divergence + (1.0 - alpha) * losses.utterances)


@PARTS.register("distillation")
class Distillation(Part):
    """A teacher beside the labels.

    Args:
        teacher: whose labels are the student's
    """

    order = 40
    adds_clip_targets = True

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher
        self._facts: dict[str, Any] = {}
        self._notes: list[str] = []

    @property
    def requested_by(self) -> str:
        """The option."""
        return f"teacher is {self.teacher.folder}"

    @property
    def voided_by_refit(self) -> str:
        """The teacher's labels."""
        return "teacher"

    def bind(self, training: Training) -> None:
        """Refuses a teacher with other labels."""
        teacher, labels = self.teacher, training.model.labels
        student_labels, teacher_labels = set(labels), set(teacher.model.labels)
        if student_labels != teacher_labels or not student_labels:
            raise ConfigError(
                f"teacher {teacher.folder} has the labels {_join(teacher.model.labels)}, the student "
                f"{_join(labels)} (it lacks {_join(sorted(teacher_labels - student_labels))}; the teacher lacks "
                f"{_join(sorted(student_labels - teacher_labels))}): train the "
                f"teacher with the same `corpus` and `emotions` options"
            )

    def tables(self, training: Training) -> Mapping[str, np.ndarray]:
        """The teacher's soft labels of each clip."""
        labels, options = training.model.labels, (training.accelerator, training.config, training.seed)
        return {"teacher": self.teacher.predict_soft_labels(training.train, labels, *options)}

    def prepare(self, training: Training, clips: Clips) -> Clips:
        """Records the teacher; its training speakers count as the student's too."""
        training.model.known_speakers |= self.teacher.model.known_speakers
        self._facts = self.teacher.facts(training.model)
        self._notes = [self._describe(refit=training.refits), *self.teacher.notes]
        return clips

    def loss(self, training: Training) -> nn.Module | None:  # noqa: ARG002
        """The teacher's share."""
        return DistillationLoss(self.teacher.config)

    def _describe(self, *, refit: bool) -> str:
        facts = self._facts
        note = (
            f"distilled from {facts['teacher']} ({facts['encoder']}, {facts['teacher_parameters'] / 1e6:.2f} M "
            f"parameters, {facts['ratio']:g} times the student's {facts['student_parameters'] / 1e6:.2f} M): share "
            f"{facts['alpha']:g} of the loss at temperature {facts['temperature']:g} (Hinton et al. 2015)"
        )
        return note + "; the refitted classifier is fitted to labels alone" * refit

    @property
    def facts(self) -> dict[str, Any]:
        """Teacher and options."""
        return {"teaching": self._facts} if self._facts else {}

    @property
    def notes(self) -> list[str]:
        """The teacher, its size and its share of the loss."""
        return self._notes


def _join(labels: list[str]) -> str:
    return ", ".join(labels) or "none"
