"""Fine-tunes an encoder block by block, from the head down, and plots which block moved when, and how far.

    accelerate launch recipes/progressive_unfreezing.py --strategy.trigger plateau --strategy.layer_decay 0.8

Without arguments: the bundled wav2vec 2.0 on the bundled EMO-DB, one more block every epoch. unfreezing.png and
travel.png are written beside the usual output.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset

import ser_tl as ser


@dataclass(frozen=True)
class Options(ser.FineTuningOptions):
    """The options of the recipe; --strategy.* says when the next block joins."""

    strategy: str = "progressive"


def main(options: Options) -> ser.Report | None:
    """Trains and evaluates every split of the protocol."""

    def fit(train: Dataset, dev: Dataset, folder: Path) -> ser.Trainer:
        model = ser.build_model(options, ser.emotions(train))
        before = deepcopy(model.encoder)
        trainer = ser.build_trainer(options, model, folder)
        trainer.fit(train, dev, resume=options.resume)
        ser.plot_unfreezing(trainer, before, folder)
        return trainer

    return ser.run_protocol(options, fit)


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
