"""Distillation of a whole model: a student is taught by the labels of its clips and by what a teacher says of them.

    Teacher, training part --lessons--> (n, C) --beside the labels' distribution--> Batch.targets (B, 2C)
      --TaughtCriterion--> loss (B,)

The teacher speaks once, before the first step. What it said goes with a clip as soft labels do: through the feature
cache of a frozen student, sampling, and mixup, which mixes both halves. Where the student hears a crop or an augmented
clip, the teacher's word is still that on the whole clip as it was. Dev and test have labels alone.
"""

from typing import Any

import numpy as np
from datasets import Dataset

from ser_tl.augment import Chain
from ser_tl.cache.views import Views
from ser_tl.data.batching import Clips
from ser_tl.distill.teachers import Teacher
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.modules.losses import TaughtCriterion
from ser_tl.training.balance import Balance
from ser_tl.training.feed import Feed
from ser_tl.training.steps import Steps
from ser_tl.training.trainer import Trainer
from ser_tl.transfer import Strategy


class StudentTrainer(Trainer):
    """A `Trainer` whose model is taught by another one besides.

    Args:
        model: the student, trained in place
        strategy: which of its weights move
        arguments: of a `Trainer`
        teacher: whose labels are the student's
        keywords: of a `Trainer`

    Raises:
        ConfigError: the teacher's labels are others than the student's, or clips are synthesised that it can't hear
    """

    def __init__(
        self,
        model: EmotionModel,
        strategy: Strategy,
        *arguments: Any,  # noqa: ANN401 - a Trainer's
        teacher: Teacher,
        **keywords: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(model, strategy, *arguments, **keywords)
        own, others = set(model.labels), set(teacher.model.labels)
        if own != others or not own:
            raise ConfigError(
                f"--teacher {teacher.folder} tells {_named(teacher.model.labels)}, the student is to tell "
                f"{_named(model.labels)} (it lacks {_named(sorted(others - own))}; the teacher lacks "
                f"{_named(sorted(own - others))}): train the teacher with the same --corpus and --emotions options"
            )
        if self.balance.synthesise != "none":
            raise ConfigError(
                f"balance.synthesise is {self.balance.synthesise}, and a teacher can't hear a clip that is made "
                f"between states of the student: choose --balance.sampling over, which repeats real clips"
            )
        self.teacher = teacher
        self.feed = _TaughtFeed(self)

    def _training_clips(self, train: Dataset) -> tuple[Clips, Balance | None, list[str]]:
        clips, balance, notes = super()._training_clips(train)
        # Whom the teacher knows, the student knows by hearsay.
        self.model.known_speakers |= self.teacher.model.known_speakers
        return clips, balance, [self._note(), *self.teacher.notes, *notes]

    def _steps(self, balance: Balance | None) -> Steps:
        steps, config = super()._steps(balance), self.teacher.config
        steps.objective.criterion = TaughtCriterion(steps.objective.criterion, config.alpha, config.temperature)
        return steps

    def _note(self) -> str:
        known = self.teacher.facts(self.model)
        note = (
            f"taught by {known['teacher']} ({known['encoder']}, {known['teacher_parameters'] / 1e6:.2f} M parameters, "
            f"{known['ratio']:g} times the student's {known['student_parameters'] / 1e6:.2f} M): share "
            f"{known['alpha']:g} of the loss at temperature {known['temperature']:g} (Hinton et al. 2015)"
        )
        return note + "; the refitted classifier is taught by labels alone" * (self.config.refit != "none")

    @property
    def facts(self) -> dict[str, Any]:
        """Those of a `Trainer`, and of the teaching."""
        return super().facts | {"teaching": self.teacher.facts(self.model)}


class _TaughtFeed(Feed):
    """The feed of a student, whose training clips bring what the teacher said beside their labels' distribution."""

    def __init__(self, trainer: StudentTrainer) -> None:
        super().__init__(trainer.model, trainer.strategy, trainer.config, trainer.accelerator, trainer.seed)
        self.teacher = trainer.teacher

    def augmented(
        self, train: Dataset, chain: Chain, targets: np.ndarray | None = None, views: Views | None = None
    ) -> Clips:
        labels = self.model.labels
        if targets is None:
            targets = np.eye(len(labels), dtype=np.float32)[[labels.index(emotion) for emotion in train["emotion"][:]]]
        lessons = self.teacher.lessons(train, labels, self.accelerator, self.config, self.seed)
        return super().augmented(train, chain, np.concatenate([targets, lessons], axis=1), views)


def _named(labels: list[str]) -> str:
    return ", ".join(labels) or "none"
