"""Fine-tunes an encoder block by block, from the head down, and shows what moved when, and how far.

    accelerate launch recipes/progressive_unfreezing.py
    accelerate launch recipes/progressive_unfreezing.py --encoder facebook/wav2vec2-base --corpus ravdess \
        --root /data/RAVDESS --strategy.trigger plateau --strategy.every 2 --strategy.layer_decay 0.8

Without arguments: the bundled wav2vec 2.0 on the bundled EMO-DB, one more block every epoch. Beside what every run
leaves there are unfreezing.png and travel.png.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset

import ser_tl as ser


@dataclass(frozen=True)
class Options(ser.Options):
    """The options of the recipe; --strategy.* says when the next block joins."""

    strategy: str = "progressive"


def main(options: Options) -> ser.Report | None:
    """Trains and evaluates every split of the protocol."""
    splits = ser.load_splits(options)
    if options.dry_run:
        return ser.rehearse(options, splits)

    def fit(train: Dataset, dev: Dataset, folder: Path) -> ser.Trainer:
        ser.seed_everything(options.seed)
        model = ser.build_model(options, ser.emotions(train))
        before = deepcopy(model.encoder)
        trainer = ser.build_trainer(options, model, folder)
        history = trainer.fit(train, dev, resume=options.resume)
        if trainer.accelerator.is_main_process:
            ser.plots.unfreezing_picture(history, folder / "unfreezing.png")
            ser.plots.plot_weight_change(ser.weight_change(before, model.encoder), folder / "travel.png")
        return trainer

    def run_one(split: ser.Split, folder: Path) -> ser.Report:
        trainer = fit(split.train, split.dev, folder)
        title = f"{options.encoder} ({options.strategy}) on {options.corpus_title}, {split.name}"
        report = trainer.evaluate(split.test, title=title, notes=split.notes, shared=split.shared)
        return ser.finish(trainer, report, folder)

    whole = ser.start_run(options)
    report = ser.run_splits(splits, run_one, whole)
    if options.final:
        ser.run_final(splits, fit, report, whole)
    return report


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
