"""Several systems on one corpus: every split of the protocol, every seed, one ranking table.

options, train(options, model, split, folder, name) --compare_systems--> Comparison, RUN/comparison.html
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

from ser_tl.comparison import Comparison
from ser_tl.data.schema import emotions
from ser_tl.data.splits import Split
from ser_tl.evaluation import Report
from ser_tl.load import load_checked
from ser_tl.model import EmotionModel
from ser_tl.options import Options
from ser_tl.outputs import finish
from ser_tl.rehearsal import rehearse_systems
from ser_tl.run import build_model, finish_comparison, run_splits, start_run
from ser_tl.systems import split_systems
from ser_tl.training.trainer import Trainer, seed_everything

_SCRATCH = {"model.hidden": 0, "train.batch_seconds": 60.0}
BUNDLED_SYSTEMS: dict[str, dict[str, Any]] = {
    "wav2vec2-mini": {},
    "soundnet": {"encoder": "soundnet"},
    "wav2vec2-mini + mfcc": {"encoder": "wav2vec2-mini+mfcc"},
    "mfcc, pooled": {"encoder": "mfcc"},
    "mfcc, bilstm": {"encoder": "mfcc", "model.network": "bilstm", **_SCRATCH},
}
"""Systems that need nothing but the package."""


@dataclass(frozen=True)
class ComparisonOptions(Options):
    """Options of a comparison; options that a system doesn't change hold for all.

    Args:
        systems: name to the options in which it differs, for example {mine: {encoder: org/name, train.epochs: 20}}
        grid: option to values, of which every combination is a system, instead of `systems`
        seeds: every system is trained with each; the one `seed` if empty
    """

    cannot: ClassVar[tuple[str, ...]] = ("final",)
    strategy: str = "frozen"
    systems: dict[str, dict[str, Any]] = field(default_factory=lambda: dict(BUNDLED_SYSTEMS))
    grid: dict[str, list[Any]] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=list)

    @property
    def runs(self) -> dict[str, list[Options]]:
        """Each system's options, one a seed."""
        combined = [dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())]
        grid = {", ".join(map(str, settings.values())): settings for settings in combined}
        systems = grid if self.grid else self.systems
        seeds = self.seeds or [self.seed]
        return {name: [self.changed(changes | {"seed": seed}) for seed in seeds] for name, changes in systems.items()}


def compare_systems(
    options: ComparisonOptions, train: Callable[[Options, EmotionModel, Split, Path, str], Trainer]
) -> Comparison | None:
    """Trains and evaluates every system on every split, with every seed. Every process calls it.

    Args:
        options: of the comparison
        train: trains a model with a system's options on a split, in a folder, under a name for its epoch lines

    Returns:
        The comparison, saved in the run's folder; None after a dry run.

    Raises:
        ConfigError: a system has an option that isn't there, or the data can serve none of them
    """
    corpus, notes = load_checked(options)
    runs, labels = options.runs, emotions(corpus)
    splits, refused = split_systems(corpus, runs)
    if options.dry_run:
        return rehearse_systems(runs, splits)
    folder = start_run(options)
    reports: dict[str, list[Report]] = {}
    several = len(options.seeds) > 1
    for number, (name, settings) in enumerate(runs.items(), 1):
        for run, run_options in enumerate(settings if name in splits else []):

            def run_one(split: Split, folder: Path, options: Options = run_options, name: str = name) -> Report:
                seed_everything(options.seed)
                model = build_model(options, labels)
                trainer = train(options, model, split, folder, f"{name}, seed {options.seed}, {split.name}")
                title = f"{name} on {options.corpus_title}, {split.name}"
                remarks = [*split.notes, *notes]
                report = trainer.evaluate(split.test, title=title, notes=remarks, shared=split.shared)
                return finish(trainer, report, folder)

            home = folder / f"{number:02}" / (f"seed_{run_options.seed}" if several else "")
            reports.setdefault(name, []).append(run_splits(splits[name][run], run_one, home))
    seeds = options.seeds or [options.seed]
    title = f"{options.corpus_title}, {options.protocol}, seed{'s' * several} {', '.join(map(str, seeds))}"
    return finish_comparison(Comparison.of(reports, title=title, notes=refused), folder)
