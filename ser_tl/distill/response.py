"""Response-based distillation: a training on a teacher's predictions as well as labels.

Teacher, model, strategy --StudentTrainer--> a `Trainer` with the part `Distillation`
"""

from collections.abc import Sequence
from typing import Any

from ser_tl.model import EmotionModel
from ser_tl.training.part import Part
from ser_tl.training.parts.distillation import Distillation, Teacher
from ser_tl.training.trainer import Trainer
from ser_tl.transfer import Strategy


class StudentTrainer(Trainer):
    """A `Trainer` with the part `Distillation`.

    Args:
        model: the student, trained in place
        strategy: which of its weights are trained
        arguments: of a `Trainer`
        teacher: whose labels are the student's
        parts: techniques besides
        options: of a `Trainer`

    Raises:
        ConfigError: the teacher's labels are others than the student's, or clips are synthetic, which it can't encode
    """

    def __init__(
        self,
        model: EmotionModel,
        strategy: Strategy,
        *arguments: Any,  # noqa: ANN401 - a Trainer's
        teacher: Teacher,
        parts: Sequence[Part] = (),
        **options: Any,  # noqa: ANN401
    ) -> None:
        self.teacher = teacher
        super().__init__(model, strategy, *arguments, parts=[*parts, Distillation(teacher)], **options)
