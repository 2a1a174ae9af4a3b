"""A protocol from its options to its report: splits, a dry run, training and evaluation of each, the final model.

options, fit(train, dev, folder) --run_protocol--> Report over all splits, RUN/final/model
options of two domains, fit(train, dev, unlabelled, folder) --run_domains--> Report on the target
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from datasets import Dataset

from ser_tl.data.splits import Split
from ser_tl.evaluation import Report
from ser_tl.final import run_final
from ser_tl.load import load_domains, load_splits
from ser_tl.options import DomainOptions, Options
from ser_tl.outputs import finish
from ser_tl.rehearsal import rehearse
from ser_tl.run import run_splits, start_run
from ser_tl.training.trainer import Trainer, seed_everything

Describe = Callable[[Report, Path], Report]


def run_protocol(
    options: Options,
    fit: Callable[[Dataset, Dataset, Path], Trainer],
    describe: Describe | None = None,
    *,
    method: str = "",
    rehearsal: str = "",
) -> Report | None:
    """Trains and evaluates every split of the options' protocol. Every process calls it.

    Args:
        options: of the run; `dry_run` only checks it, `final` trains on all speakers afterwards
        fit: trains on a training and a dev part, in a folder; random numbers are seeded before each call
        describe: adds to a split's report what `fit` left in its folder; called by the main process
        method: what titles of reports call the training; the strategy if empty
        rehearsal: the first line of a dry run

    Returns:
        The report over all splits, saved in the run's folder; None after a dry run.

    Raises:
        SerTlError: the data, the options or the machine don't allow the run
    """

    def seeded_fit(train: Dataset, dev: Dataset, folder: Path) -> Trainer:
        seed_everything(options.seed)
        return fit(train, dev, folder)

    splits = load_splits(options)
    if options.dry_run:
        return rehearse(options, splits, rehearsal)
    folder = start_run(options)

    def train(split: Split, folder: Path) -> Trainer:
        return seeded_fit(split.train, split.dev, folder)

    report = _run(options, splits, train, folder, describe, method or options.strategy)
    if options.final:
        run_final(splits, seeded_fit, report, folder)
    return report


def run_domains(options: DomainOptions, fit: Callable[[Dataset, Dataset, Dataset, Path], Trainer]) -> Report | None:
    """Trains on a labelled source and an unlabelled target, and evaluates on the target. Every process calls it.

    Args:
        options: of the run; `dry_run` only checks it
        fit: trains on the source's training and dev part and on the target's clips, in a folder

    Returns:
        The report on the target, saved in the run's folder; None after a dry run.

    Raises:
        SerTlError: the data, the options or the machine don't allow the run
    """
    split = load_domains(options)
    if options.dry_run:
        return rehearse(options, [split])

    def train(split: Split, folder: Path) -> Trainer:
        seed_everything(options.seed)
        return fit(split.train, split.dev, split.test, folder)

    return _run(options, [split], train, start_run(options), None, options.alignment.method)


def _run(
    options: Options,
    splits: Sequence[Split],
    train: Callable[[Split, Path], Trainer],
    folder: Path,
    describe: Describe | None,
    method: str,
) -> Report:
    def run_one(split: Split, folder: Path) -> Report:
        trainer = train(split, folder)
        report = evaluate_split(options, trainer, split, method)
        if describe is not None and trainer.accelerator.is_main_process:
            report = describe(report, folder)
        return finish(trainer, report, folder)

    return run_splits(splits, run_one, folder)


def evaluate_split(options: Options, trainer: Trainer, split: Split, method: str) -> Report:
    """The report of a trained model on a split's test part, with the split's notes.

    Args:
        options: of the run
        trainer: whose training has ended
        split: whose test part is predicted
        method: of the training, for the title
    """
    title = f"{options.encoder} ({method}) on {options.corpus_title}, {split.name}"
    return trainer.evaluate(split.test, title=title, notes=split.notes, shared=split.shared)
