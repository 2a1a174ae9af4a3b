"""Trains few new weights inside a frozen speech encoder, and saves them apart from it.

    accelerate launch recipes/lora.py --encoder facebook/wav2vec2-base --strategy.rank 16 --strategy.dora

Without arguments: LoRA in the bundled wav2vec 2.0 on the bundled EMO-DB, offline. The run's folder has the model with
its adapters merged, and the adapter alone: `ser.load_adapter(FOLDER/adapter)` inserts it into the encoder again.
"""

from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset

import ser_tl as ser


@dataclass(frozen=True)
class Options(ser.FineTuningOptions):
    """The recipe's options; --strategy.* says which adapters, where, and how fast they learn."""

    strategy: str = "lora"


def main(options: Options) -> ser.Report | None:
    """Trains and evaluates every split of the protocol, and saves an adapter beside each model."""

    def fit(train: Dataset, dev: Dataset, folder: Path) -> ser.Trainer:
        model = ser.build_model(options, ser.emotions(train))
        trainer = ser.build_trainer(options, model, folder)
        trainer.fit(train, dev, resume=options.resume)
        if trainer.accelerator.is_main_process:
            ser.save_adapter(model, folder / "adapter")
        return trainer

    return ser.run_protocol(options, fit, ser.describe_adapter)


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
