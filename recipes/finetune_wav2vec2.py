"""Fine-tunes a pretrained speech encoder for emotion recognition, and reports on held-out speakers.

    accelerate launch recipes/finetune_wav2vec2.py
    accelerate launch recipes/finetune_wav2vec2.py --encoder facebook/wav2vec2-base --corpus ravdess \
        --root /data/RAVDESS --strategy partial --strategy.blocks 2

Without arguments: the bundled wav2vec 2.0 on the bundled EMO-DB, offline. `--help` lists all options.
"""

from pathlib import Path

from datasets import Dataset

import ser_tl as ser


def main(options: ser.FineTuningOptions) -> ser.Report | None:
    """Trains and evaluates every split of the protocol."""

    def fit(train: Dataset, dev: Dataset, folder: Path) -> ser.Trainer:
        model = ser.build_model(options, ser.emotions(train))
        trainer = ser.build_trainer(options, model, folder)
        trainer.fit(train, dev, resume=options.resume)
        return trainer

    return ser.run_protocol(options, fit)


if __name__ == "__main__":
    ser.run_main(main, ser.FineTuningOptions, __doc__)
