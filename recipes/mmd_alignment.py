"""Adapts a model to unlabelled speech: the embeddings of both domains are aligned.

    accelerate launch recipes/mmd_alignment.py
    accelerate launch recipes/mmd_alignment.py --encoder openai/whisper-tiny.en --corpus ravdess --root RAVDESS \
        --target emodb --target_root EMODB --target_speakers '[]' --alignment.method coral

Without arguments: from the women of the bundled EMO-DB to its men, by multi-kernel MMD. No label of the target is read
before the report. --alignment.method none is the control; --model.statistics corpus or speaker takes each domain's, or
each speaker's, own mean and deviation out, and --train.refit self-training lets the classifier go on learning from what
it predicts for the target, both with any alignment or none.
"""

from dataclasses import dataclass, field
from pathlib import Path

import ser_tl as ser

MEN = ["emodb_03", "emodb_10", "emodb_11", "emodb_12", "emodb_15"]


@dataclass(frozen=True)
class Options(ser.DomainOptions):
    """Options of the transfer; corpus, root, columns and emotions are the source's."""

    strategy: str = "frozen"
    target_speakers: list[str] = field(default_factory=lambda: list(MEN))


def main(options: Options) -> ser.Report | None:
    """Trains on the source and the unlabelled target, and reports on the target."""
    split = ser.load_domains(options)
    if options.dry_run:
        return ser.rehearse(options, [split])

    def run_one(split: ser.Split, folder: Path) -> ser.Report:
        ser.seed_everything(options.seed)
        model = ser.build_model(options, ser.emotions(split.train))
        trainer = ser.build_trainer(options, model, folder)
        trainer.fit(split.train, split.dev, unlabelled=split.test, resume=options.resume)
        title = f"{options.encoder} ({options.alignment.method}), {split.name}"
        report = trainer.evaluate(split.test, title=title, notes=split.notes)
        return ser.finish(trainer, report, folder)

    return ser.run_splits([split], run_one, ser.start_run(options))


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
