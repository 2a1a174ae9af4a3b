"""Defaults of training that need a trained head, each against its alternative, by the library's Trainer.

The encoder is the bundled one, frozen; each system differs from the recipes' defaults in what stands beside its name.
"""

from typing import Any

from datasets import Dataset

import ser_tl as ser

TRAINING_CORPORA = ["emotale, unbalanced", "emotale, 1 to 15 s"]
COMMON = {
    "strategy": "frozen",
    "pooling": "stats",
    "protocol": "kfold",
    "split.k": 3,
    "train.tracker": "none",
}
DISCRIMINANT: dict[str, Any] = {"train.refit": "discriminant", "train.epochs": 1}
NOISE_AND_SPEED: dict[str, Any] = {  # docs/small_data.md's
    "augment.transforms": {"noise": {"probability": 0.75, "snr": [0, 20]}, "speed": {"probability": 0.75}},
    "augment.views": 4,
}
SYSTEMS: dict[str, dict[str, Any]] = {
    "defaults, plain statistics": {},
    "no label smoothing": {"train.label_smoothing": 0.0},
    "no class weights": {"balance.weights": "none"},
    "logit adjustment": {"balance.weights": "none", "balance.logit_adjustment": 1.0},
    "no hidden layer": {"model.hidden": 0},
    "not standardised": {"model.standardise": False},
    "dropout 0.1": {"model.dropout": 0.1},
    "layers summed": {"model.join": "sum"},
    "rate 1e-3": {"train.learning_rate": 1e-3},
    "rate 1e-4": {"train.learning_rate": 1e-4},
    "20 epochs": {"train.epochs": 20},
    "discriminant": DISCRIMINANT,
    "attention, the default pooling": {"pooling": "attentive-stats"},
    "no gate of speech": {"audio.gate": "none"},
    "discriminant, no gate of speech": DISCRIMINANT | {"audio.gate": "none"},
    "two blocks move": {"strategy": "partial", "strategy_options": {"blocks": 2}},
    "discriminant, noise and speed in four views": DISCRIMINANT | NOISE_AND_SPEED,
    "discriminant, preset ser in four views": DISCRIMINANT | {"augment.preset": "ser", "augment.views": 4},
    "discriminant, preset field in four views": DISCRIMINANT | {"augment.preset": "field", "augment.views": 4},
}


def evaluate_system(clips: Dataset, changes: dict[str, Any]) -> ser.Report:
    """Trains and scores one system on each fold of the speakers.

    Args:
        clips: the corpus
        changes: options that differ from `COMMON`
    """
    options = ser.Options().changed(COMMON | changes)
    reports = {}
    for split in ser.make_splits(clips, options.protocol, options.split, seed=options.seed):
        ser.seed_everything(options.seed)
        model = ser.build_model(options, ser.emotions(clips))
        trainer = ser.Trainer(
            model,
            ser.build_strategy(options),
            options.train,
            balance=options.balance,
            augment=options.augment,
            seed=options.seed,
        )
        trainer.fit(split.train, split.dev)
        reports[split.name] = trainer.evaluate(split.test)
    return ser.Report.over_folds(reports)
