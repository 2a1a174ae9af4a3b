"""What runs left on disk: their reports, and what they cost.

    "mini=runs/a", "runs/b" --read_runs()--> {name: [Report, one a seed]}
    Report --Cost.of--> parameters, minutes, MiB

It knows that a run's folder holds report.json and predictions.csv, and the model in model/ or in FOLD/model/; it loads
no model.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.evaluation.fold_pooling import JSON
from ser_tl.evaluation.report import Report

_SIZE = "model_mib"
_MIB = 2**20


@dataclass(frozen=True)
class Cost:
    """What a run took; None where its report doesn't say it.

    Args:
        trainable: trainable parameters
        parameters: of the whole model
        minutes: in training steps, over all folds
        memory_mib: peak memory of the process, the largest of the folds
        model_mib: the model's folder on disk
    """

    trainable: int | None
    parameters: int | None
    minutes: float | None
    memory_mib: float | None
    model_mib: float | None

    @classmethod
    def of(cls, report: Report) -> "Cost":
        """The cost of a run, from its report's facts."""
        folds = report.facts.get("folds")
        each = [report.facts, *(folds.values() if isinstance(folds, Mapping) else ())]
        trainable = _numbers(each, "trainable_parameters")
        parameters, seconds = _numbers(each, "parameters"), _numbers(each, "training_seconds")
        memory, size = _numbers(each, "peak_memory_mib"), _numbers(each, _SIZE)
        return cls(
            trainable=int(max(trainable)) if trainable else None,
            parameters=int(max(parameters)) if parameters else None,
            minutes=_minutes(report, seconds),
            memory_mib=max(memory, default=None),
            model_mib=max(size, default=None),
        )


def _numbers(facts: Iterable[JSON], name: str) -> list[float]:
    values = [fold_facts.get(name) for fold_facts in facts if isinstance(fold_facts, Mapping)]
    return [value for value in values if isinstance(value, int | float)]


def _minutes(report: Report, seconds: Sequence[float]) -> float | None:
    """The folds' seconds summed; what all folds share, to the tenth of a second, stands in the facts once."""
    if not seconds:
        return None
    shared = "training_seconds" in report.facts and bool(report.folds)
    return seconds[0] * len(report.folds) / 60 if shared else sum(seconds) / 60


def with_model_size(report: Report, folder: Path) -> Report:
    """The report with the fact `model_mib`: the size of a run's model folder, or of the largest of its folds'.

    A run with a model of its own has no folds: what lies beside it are other runs, such as a student's teacher.
    """
    model_folder = folder / "model"
    models = [model_folder] if model_folder.is_dir() else [model for model in folder.glob("*/model") if model.is_dir()]
    sizes = [sum(path.stat().st_size for path in model.rglob("*") if path.is_file()) for model in models]
    return replace(report, facts={**report.facts, _SIZE: round(max(sizes) / _MIB, 2)}) if sizes else report


def read_runs(named: Sequence[str]) -> dict[str, list[Report]]:
    """The reports of some runs.

    Args:
        named: folders of runs, or of one of their folds, each as FOLDER or NAME=FOLDER. A name that stands there
            several times is one system, trained with several seeds. Without a name it is the part of the path in which
            the folders differ

    Raises:
        CheckpointError: a folder holds no readable report
        ConfigError: a folder is given twice, or its path gives it the name of another
    """
    pairs = [_split(text) for text in named]
    resolved = [folder.resolve() for _, folder in pairs]
    twice = {str(folder) for (_, folder), path in zip(pairs, resolved, strict=True) if resolved.count(path) > 1}
    if twice:
        raise ConfigError(f"{', '.join(sorted(twice))}: given twice, name each run once")
    shown = _short_names([folder for name, folder in pairs if not name])
    _refuse_namesakes([name or shown[folder] for name, folder in pairs], pairs)
    runs: dict[str, list[Report]] = {}
    for name, folder in pairs:
        if not (folder / "report.json").is_file():
            inside = sorted(str(path.parent) for path in folder.rglob("report.json"))[:3]
            hint = f"there are some further in, for example {', '.join(inside)}" if inside else "is the run finished?"
            raise CheckpointError(f"{folder}: no report.json, so it is no finished run's folder: {hint}")
        runs.setdefault(name or shown[folder], []).append(with_model_size(Report.load(folder), folder))
    return runs


def _refuse_namesakes(names: Sequence[str], pairs: Sequence[tuple[str, Path]]) -> None:
    """Refuses folders whose paths give them a name that another has: only who says so makes two runs one system."""
    for name in dict.fromkeys(names):
        same = [pair for run_name, pair in zip(names, pairs, strict=True) if run_name == name]
        if len(same) > 1 and not all(given for given, _ in same):
            raise ConfigError(
                f"{', '.join(str(folder) for _, folder in same)} would all be called {name}: name each as NAME=FOLDER, "
                f"where the same name again is another seed of one system"
            )


def _split(text: str) -> tuple[str, Path]:
    """A name and a folder; a folder whose own name has an equals sign is taken whole."""
    name, equals, path = text.partition("=")
    return ("", Path(text)) if not equals or Path(text).exists() else (name, Path(path))


def _short_names(folders: Sequence[Path]) -> dict[Path, str]:
    """Each folder's path without the leading and trailing parts that all share; its last part at least."""
    parts = [folder.resolve().parts for folder in folders]
    if len(parts) == 1:
        return {folders[0]: parts[0][-1]}
    start, end = _shared(parts), _shared([part[::-1] for part in parts])
    return {
        folder: "/".join(path_parts[start : len(path_parts) - end] or path_parts[-1:])
        for folder, path_parts in zip(folders, parts, strict=True)
    }


def _shared(parts: Sequence[Sequence[str]]) -> int:
    """How many first parts all have in common."""
    count = 0
    for column in zip(*parts, strict=False):
        if len(set(column)) > 1:
            break
        count += 1
    return count
