"""Compares encoders on one corpus: frozen, fused, and against networks trained from scratch on handcrafted features.

    accelerate launch recipes/compare_encoders.py
    accelerate launch recipes/compare_encoders.py --config recipes/compare_encoders.yaml --seeds '[0, 1, 2]'
    accelerate launch recipes/compare_encoders.py --grid '{encoder: [wav2vec2-mini, soundnet], pooling: [mean, stats]}'

Without arguments: what comes with ser_tl, on the bundled EMO-DB, offline. A system is a name and the options that make
it different; every system has the same splits, seeds and emotions. comparison.html has tables and pictures.
"""

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

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
    """Options of the comparison; options that a system doesn't change hold for all.

    Args:
        systems: name to the options in which it differs, for example {mine: {encoder: org/name, train.epochs: 20}}
        grid: option to values, of which every combination is a system, instead of `systems`
        seeds: every system is trained with each; the one `seed` if empty
    """

    cannot: ClassVar[tuple[str, ...]] = ("final",)
    strategy: str = "frozen"
    systems: dict[str, dict[str, Any]] = field(default_factory=lambda: dict(SYSTEMS))
    grid: dict[str, list[Any]] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=list)


def main(options: Options) -> ser.Comparison | None:
    """Trains and evaluates every system on every split of the protocol, with every seed."""
    corpus, notes = ser.load_checked(options)
    combined = [dict(zip(options.grid, values, strict=True)) for values in product(*options.grid.values())]
    grid = {", ".join(map(str, settings.values())): settings for settings in combined}
    systems = grid if options.grid else options.systems
    seeds = options.seeds or [options.seed]
    runs = {name: [options.changed(changes | {"seed": seed}) for seed in seeds] for name, changes in systems.items()}
    splits, refused = ser.split_systems(corpus, runs)
    if options.dry_run:
        return ser.rehearse_systems(runs, splits)
    folder = ser.start_run(options)
    reports: dict[str, list[ser.Report]] = {}
    for number, (name, seed) in enumerate(product(runs, range(len(seeds)))):
        if name not in splits:
            continue
        settings = runs[name][seed]

        def run_one(split: ser.Split, folder: Path, settings: ser.Options = settings, name: str = name) -> ser.Report:
            ser.seed_everything(settings.seed)
            model = ser.build_model(settings, ser.emotions(corpus))
            trainer = ser.build_trainer(settings, model, folder, name=f"{name}, seed {settings.seed}, {split.name}")
            trainer.fit(split.train, split.dev, resume=options.resume)
            title = f"{name} on {settings.corpus_title}, {split.name}"
            report = trainer.evaluate(split.test, title=title, notes=[*split.notes, *notes], shared=split.shared)
            return ser.finish(trainer, report, folder)

        home = folder / f"{number // len(seeds) + 1:02}" / (f"seed_{settings.seed}" if len(seeds) > 1 else "")
        reports.setdefault(name, []).append(ser.run_splits(splits[name][seed], run_one, home))
    title = f"{options.corpus_title}, {options.protocol}, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    return ser.finish_comparison(ser.Comparison.of(reports, title=title, notes=refused), folder)


if __name__ == "__main__":
    ser.run_main(main, Options, __doc__)
