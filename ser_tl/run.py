"""The folder of a run, and running all folds of a protocol in it.

    runs/NAME/config.yaml        enough to run it again, as --config config.yaml
              split.json         the utterance ids of train, dev and test
              model/             what `EmotionModel.from_pretrained` loads, with its card, README.md
              report.json, report.md, confusion.png, training_curves.png, history.json
              push.json          what became of `push_to_hub`
              FOLD/...           the same for each fold, when the protocol has several

A run that was killed goes on with --config runs/NAME/config.yaml --resume: finished folds are kept, the interrupted
one continues from its newest training state.
"""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import yaml
from accelerate.utils import broadcast_object_list

from ser_tl.card import write_card
from ser_tl.comparison import Comparison, with_model_size
from ser_tl.data.splits import Split
from ser_tl.errors import ConfigError, StorageError
from ser_tl.evaluation import Report
from ser_tl.files import write_text
from ser_tl.model import EmotionModel
from ser_tl.options import DomainOptions, Options, RunOptions
from ser_tl.outputs import fold_of, make_publisher, run_of
from ser_tl.program import STARTED
from ser_tl.publish import Publisher, push_summary
from ser_tl.reporting import plots
from ser_tl.reporting.text import score_text
from ser_tl.resume import CHANGEABLE, CONFIG_FILE, SPLIT_FILE, check_same, is_begun, read_ids
from ser_tl.runtime.processes import processes
from ser_tl.training.parts import build_parts
from ser_tl.training.trainer import Trainer
from ser_tl.transfer import Strategy


def build_model(options: Options, labels: Sequence[str]) -> EmotionModel:
    """The model that the options describe, its head random.

    Args:
        options: encoder, pooling and what stands between
        labels: the emotions; left out where dimensions are learned alone

    Raises:
        EncoderError: the encoder can't be had
        ConfigError: options that don't fit the encoder
    """
    return EmotionModel.build(
        options.encoder,
        [] if options.dimensions.alone else labels,
        pooling=options.pooling,
        config=options.model,
        audio=options.audio,
        pretrained=options.pretrained,
        encoder_options=options.encoder_options,
        dimensions=options.dimensions.names,
    )


def build_strategy(options: Options) -> Strategy:
    """The strategy that the options describe, for one training."""
    return options.build_strategy()


def build_trainer(
    options: Options,
    model: EmotionModel,
    folder: Path,
    kind: Callable[..., Trainer] = Trainer,
    *,
    name: str | None = None,
) -> Trainer:
    """The trainer that the options describe: strategy, schedule, targets, alignment, and pushes.

    Args:
        options: of the run
        model: what is trained
        folder: of the training: the run's, or a fold's in it
        kind: what is built, from a `Trainer`'s arguments
        name: what its epoch lines begin with; the folder in the run's, which is that of the fold, if None

    Raises:
        ConfigError: options that don't fit each other, or this machine
    """
    return kind(
        model,
        build_strategy(options),
        options.train,
        folder,
        alignment=options.alignment if isinstance(options, DomainOptions) else None,
        balance=options.balance,
        labels=options.labels,
        augment=options.augment,
        dimensions=options.dimensions,
        seed=options.seed,
        name=fold_of(folder) if name is None else name,
        parts=[*build_parts(options.parts), *make_publisher(options, folder)],
    )


def start_run(options: RunOptions, changeable: Sequence[str] = ()) -> Path:
    """Makes the run's folder with its config.yaml, or finds the one to resume. Every process calls it.

    Args:
        options: of the run
        changeable: options that may have other values when it is resumed; nested ones with dots

    Returns:
        The folder, the same for all processes.

    Raises:
        ConfigError: the folder holds a run already, there is none to resume, or it was run with other options
        StorageError: the folder can't be written to
    """
    state = processes()
    folder = options.output or _new_folder(options.name)
    config = folder / CONFIG_FILE
    text = yaml.safe_dump(yaml.safe_load(options.as_yaml()) | {"output": str(folder), "resume": False}, sort_keys=False)
    if options.resume:
        if options.output is None or not config.is_file():
            raise ConfigError(
                f"resume: no {CONFIG_FILE} in {options.output or 'any `output`'}: name the interrupted run, for "
                f"example `config` runs/NAME/{CONFIG_FILE} with `resume`"
            )
        check_same(config, yaml.safe_load(text), [*CHANGEABLE, *changeable])
    else:
        check_folder(options)
    state.wait_for_everyone()
    if state.is_main_process:
        _make(folder)
        write_text(config, text)
    plots.choose_formats(options.pictures)
    STARTED.append((folder, options.output is None))
    state.wait_for_everyone()
    return folder


def check_folder(options: RunOptions) -> None:
    """Refuses a folder that holds a run already, where it isn't to be resumed.

    Raises:
        ConfigError: it does
    """
    if options.output is not None and not options.resume and is_begun(options.output):
        raise ConfigError(
            f"{options.output} isn't empty: add `resume` to go on with the run it holds, or choose another `output`"
        )


def _new_folder(name: str) -> Path:
    """A folder that no other run has, the same for all processes: several may be started in one second."""
    state, names = processes(), [""]
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    number = 1
    while state.is_main_process and not names[0]:
        folder = Path("runs") / f"{stamp}_{name}{f'_{number}' if number > 1 else ''}"
        try:
            _make(folder, new=True)
            names = [str(folder)]
        except FileExistsError:
            number += 1
    return Path(broadcast_object_list(names)[0]) if state.num_processes > 1 else Path(names[0])


def _make(folder: Path, *, new: bool = False) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=not new)
    except OSError as error:
        if isinstance(error, FileExistsError) and new:
            raise
        raise StorageError(
            f"the run's folder {folder} can't be made ({error.strerror}): name another with `output`"
        ) from error


def run_splits(splits: Sequence[Split], run_one: Callable[[Split, Path], Report], folder: Path) -> Report:
    """Runs each split, and reports over all of them.

    Args:
        splits: of one protocol
        run_one: trains and evaluates one split in a folder
        folder: the run's folder; several splits have a folder each in it, a single one has the run's own

    Returns:
        The report, saved in `folder`. A split whose report is there already is not run again.
    """
    reports: dict[str, Report] = {}
    for split in splits:
        split_folder = folder if len(splits) == 1 else folder / split.name
        if (split_folder / "report.json").is_file():
            reports[split.name] = Report.load(split_folder)
        else:
            _keep_ids(split, split_folder)
            reports[split.name] = run_one(split, split_folder)
    report = next(iter(reports.values())) if len(splits) == 1 else Report.over_folds(reports)
    report = with_model_size(report, folder)
    state = processes()
    if state.is_main_process:
        pushed = [folder]
        if len(splits) > 1:
            report.save(folder)
            _push_overview(report, folder, splits)
            pushed += [folder / split.name for split in splits]
        state.print("\n".join([f"\n{report}\n{folder}", *filter(None, map(push_summary, pushed))]))
    state.wait_for_everyone()
    return report


def _push_overview(report: Report, folder: Path, splits: Sequence[Split]) -> None:
    """Pushes a card on all folds, where each fold's model has a branch of its own."""
    root, options = run_of(folder)
    if root != folder or not options.get("push_to_hub"):
        return
    names = [split.name for split in splits]
    models = {name: Publisher(options["push_to_hub"], folder, fold=name) for name in names}
    branches = ", ".join(model.branch for model in models.values())
    note = (
        f"One model a fold, each in a branch of its own: {branches}. This branch has the scores of all folds together."
    )
    first = names[0]
    write_card(
        folder / "card",
        model=folder / first / "model",
        repo=models[first].address,
        report=report,
        options=options,
        note=note,
        pictures=folder,
    )
    Publisher(options["push_to_hub"], folder).push(folder / "card", f"over all folds {score_text(report)}")


def _keep_ids(split: Split, folder: Path) -> None:
    state, path = processes(), folder / SPLIT_FILE
    if path.is_file() and read_ids(path) != split.ids:
        raise ConfigError(
            f"{path} is of other utterances, from an earlier run or before the corpus changed: choose another "
            f"`output`, or delete {folder}"
        )
    state.wait_for_everyone()
    if state.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(split.ids, indent=1) + "\n")
    state.wait_for_everyone()


def finish_comparison(comparison: Comparison, folder: Path) -> Comparison:
    """Writes and prints a comparison. Every process calls it."""
    state = processes()
    if state.is_main_process:
        comparison.save(folder)
        state.print(f"\n{comparison}\n{folder}")
    state.wait_for_everyone()
    return comparison
