"""Searches hyperparameters on dev speakers, and scores the chosen setting once on the test speakers.

    accelerate launch recipes/search.py --search.trials 40 \
        --search.space '{pooling: [mean, attention], train.learning_rate: {low: 1.0e-4, high: 3.0e-3, log: true}}'

Needs optuna (`pip install ser_tl[search]`). Each split has a search of its own, on its own dev speakers; trials.csv
lists all trials. --resume continues a search that was killed, in the trial it was in.
"""

from pathlib import Path

from datasets import Dataset

import ser_tl as ser


def main(options: ser.SearchOptions) -> ser.Report | None:
    """Searches, trains and evaluates on every split of the protocol."""
    best = {}

    def fit(train: Dataset, dev: Dataset, folder: Path) -> ser.Trainer:
        def fit_setting(setting: ser.SearchOptions, folder: Path) -> ser.Trainer:
            ser.seed_everything(setting.seed)
            model = ser.build_model(setting, ser.emotions(train))
            trainer = ser.build_trainer(setting, model, folder)
            trainer.fit(train, dev, resume=True)
            return trainer

        best[folder] = ser.search(options, options.search, fit_setting, folder)
        return fit_setting(best[folder].options, folder)

    rehearsal = f"One of {options.search.trials + 1} trainings of each split:"
    method, describe = f"{options.strategy}, searched", lambda report, folder: best[folder].describe(report)
    return ser.run_protocol(options, fit, describe, method=method, rehearsal=rehearsal)


if __name__ == "__main__":
    ser.run_main(main, ser.SearchOptions, __doc__)
