"""Compares encoders on one corpus: frozen, fused, and against networks trained from scratch on handcrafted features.

    accelerate launch recipes/compare_encoders.py
    accelerate launch recipes/compare_encoders.py --config recipes/compare_encoders.yaml --seeds '[0, 1, 2]'
    accelerate launch recipes/compare_encoders.py --grid '{encoder: [wav2vec2-mini, soundnet], pooling: [mean, stats]}'

Without arguments: what comes with ser_tl, on the bundled EMO-DB, offline. A system is a name and the options that make
it different; every system has the same splits, seeds and emotions. comparison.html has tables and pictures.
"""

from pathlib import Path

import ser_tl as ser


def main(options: ser.ComparisonOptions) -> ser.Comparison | None:
    """Trains and evaluates every system on every split of the protocol, with every seed."""

    def fit(system: ser.Options, model: ser.EmotionModel, split: ser.Split, folder: Path, name: str) -> ser.Trainer:
        trainer = ser.build_trainer(system, model, folder, name=name)
        trainer.fit(split.train, split.dev, resume=options.resume)
        return trainer

    return ser.compare_systems(options, fit)


if __name__ == "__main__":
    ser.run_main(main, ser.ComparisonOptions, __doc__)
