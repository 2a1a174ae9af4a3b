"""Trains few new weights inside a frozen speech encoder, and saves them apart from it.

    accelerate launch recipes/lora.py
    accelerate launch recipes/lora.py --encoder facebook/wav2vec2-base \
        --strategy.rank 16 --strategy.dora
    accelerate launch recipes/lora.py --strategy ia3

Without arguments: LoRA in the bundled wav2vec 2.0 on the bundled EMO-DB, offline. The run's folder has the model, its
adapters folded in, and beside it the adapter alone: `ser.load_adapter(FOLDER/adapter)` puts it on the encoder again.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import ser_tl as ser


@dataclass(frozen=True)
class Options(ser.Options):
    """What the recipe can be told; --strategy.* says which adapters, where, and how fast they learn."""

    strategy: str = "lora"


def main(options: Options) -> ser.Report:
    """Trains and evaluates every split of the protocol."""
    splits = ser.load_splits(options)

    def run_one(split: ser.Split, folder: Path) -> ser.Report:
        ser.seed_everything(options.seed)
        model = ser.build_model(options, ser.emotions(split.train))
        trainer = ser.build_trainer(options, model, folder)
        trainer.fit(split.train, split.dev, resume=options.resume)
        title = f"{options.encoder} ({options.strategy}) on {options.corpus}, {split.name}"
        report = trainer.evaluate(split.test, title=title, notes=split.notes, shared=split.shared)
        if trainer.accelerator.is_main_process:
            report = with_sizes(report, ser.save_adapter(model, folder / "adapter"))
        return ser.finish(trainer, report, folder)

    return ser.run_splits(splits, run_one, ser.start_run(options))


def with_sizes(report: ser.Report, adapter: Path) -> ser.Report:
    """The report, with what moved and what is to be kept of it."""
    size, moved = adapter.stat().st_size, report.facts["trainable_parameters"]
    note = f"{moved} of {report.facts['parameters']} parameters were trained; {adapter.name} has {size / 1e6:.2f} MB"
    return replace(report, notes=[*report.notes, note], facts={**report.facts, "adapter_bytes": size})


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
