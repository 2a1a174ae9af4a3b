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

from datasets import Dataset

import ser_tl as ser


@dataclass(frozen=True)
class Options(ser.Options):
    """The recipe's options; --strategy.* says which adapters, where, and how fast they learn."""

    strategy: str = "lora"


def main(options: Options) -> ser.Report | None:
    """Trains and evaluates every split of the protocol."""
    splits = ser.load_splits(options)
    if options.dry_run:
        return ser.rehearse(options, splits)

    def fit(train: Dataset, dev: Dataset, folder: Path) -> ser.Trainer:
        ser.seed_everything(options.seed)
        model = ser.build_model(options, ser.emotions(train))
        trainer = ser.build_trainer(options, model, folder)
        trainer.fit(train, dev, resume=options.resume)
        if trainer.accelerator.is_main_process:
            ser.save_adapter(model, folder / "adapter")
        return trainer

    def run_one(split: ser.Split, folder: Path) -> ser.Report:
        trainer = fit(split.train, split.dev, folder)
        title = f"{options.encoder} ({options.strategy}) on {options.corpus_title}, {split.name}"
        report = trainer.evaluate(split.test, title=title, notes=split.notes, shared=split.shared)
        if trainer.accelerator.is_main_process:
            report = with_sizes(report, folder / "adapter" / "adapter.safetensors")
        return ser.finish(trainer, report, folder)

    whole = ser.start_run(options)
    report = ser.run_splits(splits, run_one, whole)
    if options.final:
        ser.run_final(splits, fit, report, whole)
    return report


def with_sizes(report: ser.Report, adapter: Path) -> ser.Report:
    """The report, with what moved and what is to be kept of it."""
    size, moved = adapter.stat().st_size, report.facts["trainable_parameters"]
    note = f"{moved} of {report.facts['parameters']} parameters were trained; {adapter.name} has {size / 1e6:.2f} MB"
    return replace(report, notes=[*report.notes, note], facts={**report.facts, "adapter_bytes": size})


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
