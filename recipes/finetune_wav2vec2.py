"""Fine-tunes a pretrained speech encoder for emotion recognition, and reports on speakers it never heard.

    accelerate launch recipes/finetune_wav2vec2.py
    accelerate launch recipes/finetune_wav2vec2.py --encoder facebook/wav2vec2-base --corpus ravdess \
        --root /data/RAVDESS --strategy partial --strategy.blocks 2

Without arguments: the bundled wav2vec 2.0 on the bundled EMO-DB, offline. `--help` lists all options.
"""

from pathlib import Path

import ser_tl as ser


def main(options: ser.Options) -> ser.Report:
    """Trains and evaluates every split of the protocol."""
    splits = ser.load_splits(options)

    def run_one(split: ser.Split, folder: Path) -> ser.Report:
        ser.seed_everything(options.seed)
        model = ser.build_model(options, ser.emotions(split.train))
        trainer = ser.build_trainer(options, model, folder)
        trainer.fit(split.train, split.dev, resume=options.resume)
        title = f"{options.encoder} ({options.strategy}) on {options.corpus}, {split.name}"
        report = trainer.evaluate(split.test, title=title, notes=split.notes, shared=split.shared)
        return ser.finish(trainer, report, folder)

    return ser.run_splits(splits, run_one, ser.start_run(options))


if __name__ == "__main__":
    ser.run_main(main, ser.Options, __doc__)
