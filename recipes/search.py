"""Searches hyperparameters on dev speakers, and scores the chosen setting once on the test speakers.

    accelerate launch recipes/search.py
    accelerate launch recipes/search.py --search.trials 40 \
        --search.space '{pooling: [mean, attention], train.learning_rate: {low: 1.0e-4, high: 3.0e-3, log: true}}'

Needs optuna (`pip install ser_tl[search]`). Each split has a search of its own, on its own dev speakers; trials.csv has
what was tried. --resume goes on with a search that was killed, in the trial it was in.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import ser_tl as ser


@dataclass(frozen=True)
class Options(ser.Options):
    """Options of the search; what `space` doesn't name is the same in all trials.

    Args:
        search: which options are searched, and how many settings are tried
    """

    cannot: ClassVar[tuple[str, ...]] = ("final",)
    strategy: str = "frozen"
    search: ser.SearchConfig = field(default_factory=ser.SearchConfig)


def main(options: Options) -> ser.Report | None:
    """Searches, trains and evaluates on every split of the protocol."""
    splits = ser.load_splits(options)
    if options.dry_run:
        return ser.rehearse(options, splits, f"One of {options.search.trials + 1} trainings of each split:")

    def run_one(split: ser.Split, folder: Path) -> ser.Report:
        def train(setting: Options, scratch: Path) -> ser.Trainer:
            ser.seed_everything(setting.seed)
            model = ser.build_model(setting, ser.emotions(split.train))
            trainer = ser.build_trainer(setting, model, scratch)
            trainer.fit(split.train, split.dev, resume=True)
            return trainer

        best = ser.search(options, options.search, train, folder)
        trainer = train(best.options, folder)
        title = f"{options.encoder} ({options.strategy}, searched) on {options.corpus_title}, {split.name}"
        report = trainer.evaluate(split.test, title=title, notes=split.notes, shared=split.shared)
        return ser.finish(trainer, best.describe(report), folder)

    return ser.run_splits(splits, run_one, ser.start_run(options))


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
