"""A student of a model, beside its teacher and a control: the same network trained on labels alone.

options, train(options, split, folder, teacher) --distill_model--> Report of the student; RUN/teacher, RUN/control
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from ser_tl.data.splits import Split
from ser_tl.distill import TeachConfig, Teacher, load_teacher
from ser_tl.evaluation import Report
from ser_tl.load import load_splits
from ser_tl.options import Options
from ser_tl.outputs import finish
from ser_tl.run import run_splits, start_run
from ser_tl.training.trainer import Trainer, seed_everything

_OF_THE_MODEL = ("encoder", "encoder_options", "pretrained", "pooling", "model")


@dataclass(frozen=True)
class ModelDistillationOptions(Options):
    """The options of the recipe; encoder, strategy, model and the like are the student's.

    Args:
        teacher: a saved model, or a run with a model for each split; if not given, one is trained first, in teacher/
        teach: weight and temperature of its soft labels
        control: train the student on labels alone as well, in control/
    """

    encoder: str = "soundnet"
    cannot: ClassVar[tuple[str, ...]] = ("final", "dry_run")
    strategy: str = "frozen"
    teacher: Path | None = None
    teach: TeachConfig = field(default_factory=TeachConfig)
    control: bool = True


def distill_model(
    options: ModelDistillationOptions, train: Callable[[Options, Split, Path, Teacher | None], Trainer]
) -> Report:
    """Trains and evaluates the student on every split, and its teacher and its control where asked for.

    Args:
        options: of the run; without a teacher the bundled encoder with the default head is trained as one
        train: trains on a split in a folder, on the teacher's soft labels too where there is one; random numbers are
            seeded before each call

    Raises:
        CheckpointError, ConfigError, SplitError: a teacher that can't be loaded, or was trained on test speakers
    """
    splits = load_splits(options)
    if options.teacher is not None:  # all teachers are checked before the first training
        _ = [load_teacher(options.teacher, split, options.teach) for split in splits]
    whole = start_run(options)

    def run(options: Options, folder: Path, system: str, teachers: Path | None = None) -> Report:
        def run_one(split: Split, folder: Path) -> Report:
            teacher = None if teachers is None else load_teacher(teachers, split, teach)
            seed_everything(options.seed)
            trainer = train(options, split, folder, teacher)
            title = f"{system}: {options.encoder} ({options.strategy}) on {options.corpus_title}, {split.name}"
            report = trainer.evaluate(split.test, title=title, notes=split.notes, shared=split.shared)
            return finish(trainer, report, folder)

        return run_splits(splits, run_one, folder)

    def run_beside(settings: Options, name: str) -> None:
        folder = whole / name
        settings = replace(settings, output=folder, resume=settings.resume and folder.is_dir(), push_to_hub=None)
        run(settings, start_run(settings), name)

    teach = options.teach
    if options.teacher is None:
        usual = {name: getattr(Options(), name) for name in _OF_THE_MODEL}
        run_beside(replace(options, strategy="frozen", strategy_options={}, **usual), "teacher")
    report = run(options, whole, "student", options.teacher or whole / "teacher")
    if options.control:
        run_beside(options, "control")
    return report
