"""Adapts a model to unlabelled speech: the embeddings of both domains are aligned.

    accelerate launch recipes/mmd_alignment.py --corpus ravdess --root RAVDESS --target emodb --target_root EMODB \
        --target_speakers '[]' --alignment.method coral

Without arguments: from the women of the bundled EMO-DB to its men, by multi-kernel MMD. Labels of the target are used
by the report alone. --alignment.method none is the control; --model.statistics corpus or speaker standardises each
domain or each speaker, and --train.refit self-training continues on predictions for the target: with any alignment.
"""

from dataclasses import dataclass, field
from pathlib import Path

from datasets import Dataset

import ser_tl as ser


@dataclass(frozen=True)
class Options(ser.DomainOptions):
    """Options of the transfer; corpus, root, columns and emotions are the source's."""

    strategy: str = "frozen"
    target_speakers: list[str] = field(default_factory=lambda: [f"emodb_{man:02}" for man in (3, 10, 11, 12, 15)])


def main(options: Options) -> ser.Report | None:
    """Trains on the source and the unlabelled target, and reports on the target."""

    def fit(train: Dataset, dev: Dataset, target: Dataset, folder: Path) -> ser.Trainer:
        model = ser.build_model(options, ser.emotions(train))
        trainer = ser.build_trainer(options, model, folder)
        trainer.fit(train, dev, unlabelled=target, resume=options.resume)
        return trainer

    return ser.run_domains(options, fit)


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
