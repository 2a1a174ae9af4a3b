"""The options of an encoder's distillation: `EncoderDistiller` trains the student, `finish_distillation` writes it."""

from dataclasses import dataclass, field
from pathlib import Path

from ser_tl.augment import AugmentConfig
from ser_tl.distill import DistillConfig, ProbeConfig
from ser_tl.distill.students import SMALL_STUDENT
from ser_tl.options import RunOptions


def _gain_and_noise() -> AugmentConfig:
    return AugmentConfig(transforms={"gain": {}, "noise": {"snr": [5.0, 30.0]}})


@dataclass(frozen=True)
class EncoderDistillationOptions(RunOptions):
    """The options of the recipe.

    Args:
        teacher: an encoder's name, folder or hub id
        student: a config.json of transformers (random weights), or an encoder's name, folder or hub id to start from
        corpus: of the audio, by name
        root: the corpus' folder, manifest or hub id
        columns: names of a manifest's columns where they differ from the standard
        audio: a folder of audio files of any length, instead of a corpus
        augment: augmentation of the student's input; the teacher's stays clean
        distill: targets and loss, and how long it trains
        probe: the labelled corpus that the student is probed on
    """

    teacher: str = "wav2vec2-mini"
    student: str = str(SMALL_STUDENT)
    corpus: str = "emodb-mini"
    root: Path | None = None
    columns: dict[str, str] = field(default_factory=dict)
    audio: Path | None = None
    augment: AugmentConfig = field(default_factory=_gain_and_noise)
    distill: DistillConfig = field(default_factory=DistillConfig)
    probe: ProbeConfig = field(default_factory=ProbeConfig)

    @property
    def name(self) -> str:
        """The student's name, and its teacher's."""
        return f"{Path(self.student).stem}_of_{Path(self.teacher).name}"
