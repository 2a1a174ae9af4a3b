"""Compares encoders on one corpus: frozen, fused, and against networks trained from scratch on handcrafted features.

    accelerate launch recipes/compare_encoders.py
    accelerate launch recipes/compare_encoders.py --config recipes/compare_encoders_ravdess.yaml

Without arguments: what comes with ser_tl, on the bundled EMO-DB, offline. A system is a name and the options that make
it different; every system has the same splits, seed and emotions. The table has intervals over speakers.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ser_tl as ser

SCRATCH = {"model.hidden": 0, "train.batch_seconds": 60.0}
SYSTEMS: dict[str, dict[str, Any]] = {
    "wav2vec2-mini": {},
    "soundnet": {"encoder": "soundnet"},
    "wav2vec2-mini + mfcc": {"encoder": "wav2vec2-mini+mfcc"},
    "mfcc, pooled": {"encoder": "mfcc"},
    "mfcc, bilstm": {"encoder": "mfcc", "model.network": "bilstm", **SCRATCH},
}


@dataclass(frozen=True)
class Options(ser.Options):
    """What the comparison can be told; what a system doesn't change holds for all.

    Args:
        systems: name to the options in which it differs, for example {mine: {encoder: org/name, train.epochs: 20}}
    """

    strategy: str = "frozen"
    systems: dict[str, dict[str, Any]] = field(default_factory=lambda: dict(SYSTEMS))


def main(options: Options) -> ser.Comparison:
    """Trains and evaluates every system on every split of the protocol."""
    corpus = ser.load_corpus(options.corpus, options.root, emotions=options.emotions, columns=options.columns)
    corpus, skipped = ser.check_audio(corpus, skip_unreadable=options.skip_unreadable)
    splits = ser.make_splits(corpus, options.protocol, options.split, folds=options.folds, seed=options.seed)
    folder = ser.start_run(options)
    systems = {name: options.changed(changes) for name, changes in options.systems.items()}
    reports = {}
    for number, (name, own) in enumerate(systems.items(), 1):

        def run_one(split: ser.Split, folder: Path, own: ser.Options = own, name: str = name) -> ser.Report:
            ser.seed_everything(own.seed)
            model = ser.build_model(own, ser.emotions(corpus))
            strategy, on_best = ser.STRATEGIES[own.strategy](own.unfreeze), ser.publishing(own, folder)
            trainer = ser.Trainer(model, strategy, own.train, folder, seed=own.seed, on_best=on_best)
            trainer.fit(split.train, split.dev, resume=options.resume)
            report = trainer.evaluate(
                split.test, title=f"{name} on {own.corpus}, {split.name}", notes=skipped, shared=split.shared
            )
            return ser.finish(trainer, report, folder)

        reports[name] = ser.run_splits(splits, run_one, folder / f"{number:02}")
    comparison = ser.Comparison.of(reports, title=f"{options.corpus}, {options.protocol}, seed {options.seed}")
    return ser.finish_comparison(comparison, folder)


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
