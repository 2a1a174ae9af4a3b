"""Distils a model: a small student learns from the labels and from what a trained teacher says of each clip.

    accelerate launch recipes/distill_model.py
    accelerate launch recipes/finetune_wav2vec2.py --encoder whisper-tiny.en --corpus ravdess --root RAVDESS \
        --output runs/teacher
    accelerate launch recipes/distill_model.py --teacher runs/teacher --encoder soundnet --strategy full \
        --corpus ravdess --root RAVDESS --teach.temperature 2 --teach.alpha 0.7

Without arguments: the bundled wav2vec 2.0 is trained on the bundled EMO-DB, teaches SoundNet there, and SoundNet is
trained on labels alone for comparison. docs/distillation.md tells more; `--help` lists all options.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import ser_tl as ser


@dataclass(frozen=True)
class Options(ser.Options):
    """The options of the recipe; encoder, strategy, model and the like are the student's.

    Args:
        teacher: a saved model, or a run with a model for each split; if not given, one is trained first, in teacher/
        teach: how much it says
        control: train the student on labels alone as well, in control/
    """

    encoder: str = "soundnet"
    cannot: ClassVar[tuple[str, ...]] = ("final", "dry_run")
    strategy: str = "frozen"
    teacher: Path | None = None
    teach: ser.TeachConfig = field(default_factory=ser.TeachConfig)
    control: bool = True


def main(options: Options) -> ser.Report:
    """Trains and evaluates the student on every split, and its teacher and its control where asked for."""
    splits = ser.load_splits(options)

    if options.teacher is not None:  # a wrong one is told now, and not after some splits
        _ = [ser.load_teacher(options.teacher, split, options.teach) for split in splits]
    whole = ser.start_run(options)

    def run(options: Options, run_folder: Path, what: str, teacher: Path | None = None) -> ser.Report:
        def run_one(split: ser.Split, folder: Path) -> ser.Report:
            kind = ser.Trainer
            if teacher is not None:
                kind = partial(ser.StudentTrainer, teacher=ser.load_teacher(teacher, split, options.teach))
            ser.seed_everything(options.seed)
            trainer = ser.build_trainer(options, ser.build_model(options, ser.emotions(split.train)), folder, kind)
            trainer.fit(split.train, split.dev, resume=options.resume)
            title = f"{what}: {options.encoder} ({options.strategy}) on {options.corpus_title}, {split.name}"
            report = trainer.evaluate(split.test, title=title, notes=split.notes, shared=split.shared)
            return ser.finish(trainer, report, folder)

        return ser.run_splits(splits, run_one, run_folder)

    def run_beside(settings: Options, name: str) -> None:
        settings = replace(
            settings, output=whole / name, resume=settings.resume and (whole / name).is_dir(), push_to_hub=None
        )
        run(settings, ser.start_run(settings), name)

    if options.teacher is None:  # the bundled encoder under the usual head; what else is asked for is the student's
        names = ("encoder", "encoder_options", "pretrained", "pooling", "model")
        usual = {name: getattr(ser.Options(), name) for name in names}
        run_beside(replace(options, strategy="frozen", strategy_options={}, **usual), "teacher")
    report = run(options, whole, "student", options.teacher or whole / "teacher")
    if options.control:
        run_beside(options, "control")
    return report


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
