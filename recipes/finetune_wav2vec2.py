"""Fine-tunes a pretrained speech encoder for emotion recognition, and reports on speakers it never heard.

    accelerate launch recipes/finetune_wav2vec2.py
    accelerate launch recipes/finetune_wav2vec2.py --encoder facebook/wav2vec2-base --corpus ravdess \
        --root /data/RAVDESS --strategy partial --unfreeze 2

Without arguments: the bundled wav2vec 2.0 on the bundled EMO-DB, offline. `--help` lists all options.
"""

from pathlib import Path

import ser_tl as ser


def main(options: ser.Options) -> ser.Report:
    """Trains and evaluates every split of the protocol."""
    corpus = ser.load_corpus(options.corpus, options.root, emotions=options.emotions, columns=options.columns)
    corpus, skipped = ser.check_audio(corpus, skip_unreadable=options.skip_unreadable)
    corpus, voted = ser.relabel(corpus, options.labels)
    splits = ser.make_splits(corpus, options.protocol, options.split, folds=options.folds, seed=options.seed)
    splits = ser.add_synthetic(splits, options.synthetic)

    def run_one(split: ser.Split, folder: Path) -> ser.Report:
        ser.seed_everything(options.seed)
        model = ser.build_model(options, ser.emotions(corpus))
        trainer = ser.build_trainer(options, model, folder)
        trainer.fit(split.train, split.dev, resume=options.resume)
        title = f"{options.encoder} ({options.strategy}) on {options.corpus}, {split.name}"
        report = trainer.evaluate(split.test, title=title, notes=[*split.notes, *skipped, *voted], shared=split.shared)
        return ser.finish(trainer, report, folder)

    return ser.run_splits(splits, run_one, ser.start_run(options))


if __name__ == "__main__":
    ser.run_main(main, ser.Options, __doc__)
