"""Distils a model: a small student learns from the labels and from a trained teacher's soft labels.

    accelerate launch recipes/finetune_wav2vec2.py --encoder whisper-tiny.en --corpus ravdess --root RAVDESS \
        --output runs/teacher
    accelerate launch recipes/distill_model.py --teacher runs/teacher --encoder soundnet --strategy full \
        --corpus ravdess --root RAVDESS --teach.temperature 2 --teach.alpha 0.7

Without arguments: the bundled wav2vec 2.0 is trained on the bundled EMO-DB, SoundNet is distilled from it, and SoundNet
is trained on labels alone for comparison (docs/distillation.md).
"""

from functools import partial
from pathlib import Path

import ser_tl as ser


def main(options: ser.ModelDistillationOptions) -> ser.Report:
    """Trains and evaluates the student on every split, and its teacher and its control where asked for."""

    def fit(settings: ser.Options, split: ser.Split, folder: Path, teacher: ser.Teacher | None) -> ser.Trainer:
        kind = ser.Trainer if teacher is None else partial(ser.StudentTrainer, teacher=teacher)
        model = ser.build_model(settings, ser.emotions(split.train))
        trainer = ser.build_trainer(settings, model, folder, kind)
        trainer.fit(split.train, split.dev, resume=settings.resume)
        return trainer

    return ser.distill_model(options, fit)


if __name__ == "__main__":
    ser.run_main(main, ser.ModelDistillationOptions, __doc__)
