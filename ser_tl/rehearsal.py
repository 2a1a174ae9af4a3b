"""Dry runs: all that a run would refuse is refused, and what it would do is said; nothing of it stays on disk.

    options, splits --rehearse()--> sizes of the parts, parameters, disk, estimated minutes

The first split's model is built, and trained on a few batches to take the time.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from datasets import Dataset

from ser_tl.data.checks import measure_durations
from ser_tl.data.schema import emotions
from ser_tl.data.splits import Split
from ser_tl.errors import StorageError
from ser_tl.model import EmotionModel
from ser_tl.options import DomainOptions, Options
from ser_tl.reporting.cells import columns
from ser_tl.run import build_model, build_trainer, check_folder
from ser_tl.runtime.processes import processes
from ser_tl.training.facts import count_trainable
from ser_tl.training.timing import Pace, time_training
from ser_tl.training.trainer import Trainer, seed_everything

_MIB = 2**20
_COPIES = 5  # of the model: the best epoch's weights, the training state with two moments of each weight, the result
_MOST_SPLITS = 12


def rehearse(options: Options, splits: Sequence[Split], name: str = "") -> None:
    """Checks a run and prints what it would do. Every process calls it.

    Args:
        options: of the run
        splits: of its protocol, their audio checked
        name: of the system, where there are several

    Raises:
        SerTlError: what the run would end with before its first epoch
        StorageError: there isn't room for the run
    """
    check_folder(options)
    seed_everything(options.seed)
    first = splits[0]
    unlabelled = first.test if isinstance(options, DomainOptions) else None
    model = build_model(options, emotions(first.train))
    with tempfile.TemporaryDirectory() as scratch:
        trainer = build_trainer(options, model, Path(scratch), name="rehearsal")
        for split in splits[::-1]:  # the first weight's last: it is what the trainer goes on with
            trainer.check(split.train, split.dev, None if unlabelled is None else split.test)
        pace = None
        if options.train.epochs:
            pace = time_training(trainer, first.train, first.dev, unlabelled, scratch=Path(scratch) / "features")
        else:
            trainer.strategy.prepare(model)  # as `fit` does without epochs too: what stays frozen isn't counted
        lines = [*describe_splits(splits), "", *_describe_model(trainer, model), _check_disk(options, model, splits)]
        lines.append(_describe_time(options, splits, pace))
    lines.append("nothing was trained, no folder was made")
    processes().print("\n".join([name, *lines] if name else lines))


def rehearse_systems(systems: Mapping[str, Sequence[Options]], splits: Mapping[str, Sequence[Sequence[Split]]]) -> None:
    """Rehearses each system of a comparison with its first seed.

    Args:
        systems: name to the options of its runs, weight a seed
        splits: name to the splits of its runs, of the systems that can be trained
    """
    for name, runs in splits.items():
        rehearse(systems[name][0], runs[0], name)


def describe_splits(splits: Sequence[Split]) -> list[str]:
    """Tables of the parts: utterances, minutes and speakers, and how many utterances of each emotion."""
    lines: list[str] = []
    for split in splits[:_MOST_SPLITS]:
        parts = {"train": split.train, "dev": split.dev, "test": split.test}
        labels = emotions(split.train)
        counts = {name: Counter(part["emotion"][:]) for name, part in parts.items()}
        rows = [
            [name, str(len(part)), f"{_seconds(part) / 60:.1f}", str(len(set(part["speaker"][:])))]
            + [str(counts[name][label]) for label in labels]
            for name, part in parts.items()
        ]
        lines += [split.name, *columns(["part", "utterances", "minutes", "speakers", *labels], rows)]
        for name in ("dev", "test"):
            lines.append(f"  {name} speakers: {_speakers(parts[name])}")
    left = len(splits) - _MOST_SPLITS
    return [*lines, f"and {left} more splits"] if left > 0 else lines


def _speakers(part: Dataset) -> str:
    names = [f"{name} ({count})" for name, count in sorted(Counter(part["speaker"][:]).items())]
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _describe_model(trainer: Trainer, model: EmotionModel) -> list[str]:
    whole, moving = sum(weight.numel() for weight in model.parameters()), count_trainable(model)
    blocks = [block.name for block in trainer.strategy.trainable_blocks(model)]
    later = {id(weight) for block in trainer.strategy.trainable_blocks(model) for weight in block.modules.parameters()}
    more = sum(weight.numel() for weight in model.parameters() if id(weight) in later and not weight.requires_grad)
    return [
        f"model: {model.encoder_name}, {whole:,} parameters, {moving:,} trainable"
        + (f", and {more:,} unfrozen later" if more else ""),
        f"trainable encoder blocks: {', '.join(blocks) or 'none'}",
    ]


def _check_disk(options: Options, model: EmotionModel, splits: Sequence[Split]) -> str:
    """What the run leaves on disk at most, and what is free there."""
    size = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    models = len(splits) + options.final
    named = f"{models} model{'s' if models > 1 else ''}"
    need = size * (models + _COPIES)
    parent = (options.output or Path("runs")).absolute()
    parent = next(folder for folder in [parent, *parent.parents] if folder.is_dir())
    free = shutil.disk_usage(parent).free
    if free < need:
        raise StorageError(
            f"{parent}: {free / _MIB:.0f} MiB are free, and {named} with training states need about "
            f"{need / _MIB:.0f} MiB: make room there, or name another folder by `output`"
        )
    return f"disk: about {need / _MIB:.0f} MiB for {named} and training states, {free / _MIB:.0f} MiB are free"


def _describe_time(options: Options, splits: Sequence[Split], pace: Pace | None) -> str:
    """The estimate of the minutes, and what it rests on."""
    if pace is None:
        return "time: not estimated: there are no epochs, the classifier is fitted in closed form"
    epochs, seconds = options.train.epochs, 0.0
    for split in splits:
        train, dev, test = (_seconds(part) for part in (split.train, split.dev, split.test))
        seconds += epochs * (pace.train * train + pace.score * dev) + pace.score * test
    first = splits[0]
    everything = sum(_seconds(part) for part in (first.train, first.dev, first.test))
    if options.final:
        seconds += epochs * (pace.train + pace.score) * everything
    encoding = pace.encode * everything
    once = f", {encoding / 60:.1f} of them for encoding clips that aren't cached" if encoding else ""
    return (
        f"time: about {(seconds + encoding) / 60:.1f} minutes at most for {epochs} epoch{'s' * (epochs != 1)} a split"
        f"{once}: estimated from a few batches, without refits and calibration"
    )


def _seconds(part: Dataset) -> float:
    return sum(measure_durations(part))
