"""Hyperparameter search without test speakers, by optuna: what is chosen never sees the test part.

    options, space --search(train on a setting)--> each trial's score --> Found, the options of the best

A trained setting is judged by the dev score of its best epoch. One that is fitted in closed form (no epoch) has none:
its score is that of training speakers held out in turn, of all of them instead of the few of a dev part.

Each split has a search of its own: a setting chosen for all splits together would have been chosen on speakers whom
other splits test. trials.journal in the split's folder holds the trials; a search that was killed goes on with the
trial it was in. Optuna is the extra `search`.
"""

import csv
import io
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from accelerate.utils import broadcast_object_list

from ser_tl.errors import ConfigError, listing
from ser_tl.evaluation import Report
from ser_tl.files import write_text
from ser_tl.options import Options
from ser_tl.runtime.processes import processes
from ser_tl.training.trainer import Trainer

JOURNAL = "trials.journal"
TABLE = "trials.csv"

OptionsT = TypeVar("OptionsT", bound=Options)

_SPACE: dict[str, Any] = {
    "train.learning_rate": {"low": 1e-4, "high": 3e-3, "log": True},
    "train.label_smoothing": [0.0, 0.1],
    "pooling": ["mean", "attention", "attentive-stats"],
}


@dataclass(frozen=True)
class SearchConfig:
    """The search space, and the number of trials.

    Args:
        space: option to its values: a list of choices, which may be lists themselves (layers), or {low: 1.0e-4, high:
            1.0e-2, log: true}; whole numbers stay whole
        trials: how many settings are tried for each split
    """

    space: dict[str, Any] = field(default_factory=lambda: dict(_SPACE))
    trials: int = 20

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ConfigError(f"search.trials is {self.trials}: expected 1 or more")
        if not self.space:
            raise ConfigError("search.space is empty: name an option and its values, {pooling: [mean, attention]}")
        wrong = [f"{name}: {values}" for name, values in self.space.items() if not _is_range(values)]
        if wrong:
            raise ConfigError(
                f"search.space: expected a list of choices, or {{low: NUMBER, high: NUMBER, log: true}}\n"
                f"{listing(wrong)}"
            )


@dataclass(frozen=True)
class SearchOptions(Options):
    """Options of a search; what `search.space` doesn't name is the same in all trials.

    Args:
        search: which options are searched, and how many settings are tried
    """

    cannot: ClassVar[tuple[str, ...]] = ("final",)
    strategy: str = "frozen"
    search: SearchConfig = field(default_factory=SearchConfig)


@dataclass(frozen=True)
class Found(Generic[OptionsT]):
    """The best setting of a search.

    Args:
        options: the run's, with that setting
        setting: option to value
        score: of its best epoch on dev, or on training speakers held out in turn
        trials: settings that were tried
    """

    options: OptionsT
    setting: Mapping[str, Any]
    score: float
    trials: int

    def describe(self, report: Report) -> Report:
        """A report that says how its setting was chosen."""
        who = "dev speakers" if self.options.train.epochs else "training and dev speakers held out in turn"
        note = (
            f"The setting ({_text(self.setting)}) is the best of {self.trials} on {who}, with a score of "
            f"{self.score:.3f}, which is too high for having been chosen by; the test part was scored once, with it"
        )
        facts = {**report.facts, "setting": dict(self.setting), "trials": self.trials}
        return replace(report, notes=[*report.notes, note], facts=facts)


def search(
    options: OptionsT, config: SearchConfig, train: Callable[[OptionsT, Path], Trainer], folder: Path
) -> Found[OptionsT]:
    """Tries settings and returns the best on speakers whom the test part doesn't have. Every process calls it.

    Args:
        options: of the run
        config: what is searched
        train: trains with options in a folder, and goes on where it was interrupted
        folder: of the split; keeps the journal and a table of the trials

    Raises:
        ConfigError: optuna isn't installed, an option that isn't there, a search that the scores say nothing about, or
            no setting can be trained
    """
    for name, values in config.space.items():
        options.changed({name: values[0] if isinstance(values, list) else values["low"]})
    _check_comparable(options, config)
    state = processes()
    study = _open_study(folder, options.seed) if state.is_main_process else None
    refused: list[str] = []
    while (asked := _broadcast(study and _ask(study, config))) is not None:
        number, setting = asked
        scratch = folder / "trials" / f"{number:03}"
        score, why = _score(options, setting, train, scratch)
        if study is not None:
            _tell(study, number, score)
            _write_table(study, folder)
            shutil.rmtree(scratch, ignore_errors=True)
            state.print(f"trial {number + 1}/{config.trials}: {_text(setting)}: {why or f'score {score:.3f}'}")
        refused += [why] if why else []
        state.wait_for_everyone()
    setting, score, tried = _broadcast(study and _finish(study, config, folder, refused))
    return Found(options.changed(setting), setting, score, tried)


def _check_comparable(options: Options, config: SearchConfig) -> None:
    """Refuses settings whose scores are of different kinds, or say nothing about what is searched."""
    epochs = config.space.get("train.epochs", [options.train.epochs])
    counts = set(epochs if isinstance(epochs, list) else (epochs["low"], epochs["high"]))
    if 0 in counts and counts != {0}:
        raise ConfigError(
            "search.space has train.epochs 0 beside others, but settings without an epoch are compared on training "
            "speakers held out, and the others on dev speakers: search them one after the other"
        )
    if counts != {0} and "train.refit" in config.space:
        raise ConfigError(
            "search.space has train.refit, but train.epochs is above 0, so that settings are compared by the dev "
            "scores of a classifier which the refit replaces: choose train.epochs 0 with frozen encoders"
        )


def _score(
    options: OptionsT, setting: Mapping[str, Any], train: Callable[[OptionsT, Path], Trainer], scratch: Path
) -> tuple[float | None, str]:
    """A setting's score; or None, and why it can't be trained."""
    try:
        trainer = train(replace(options.changed(setting), push_to_hub=None), scratch)
    except ConfigError as error:  # such as a learning rate at which the loss diverges
        return None, str(error)
    if not trainer.history:
        return float(trainer.facts["refit"]["held_out_uar"]), ""
    best = next(record for record in trainer.history if record["best"])
    return float(best["dev_uar"] if "dev_uar" in best else best["dev_ccc"]), ""


def _open_study(folder: Path, seed: int) -> Any:  # noqa: ANN401 - optuna's
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise ConfigError("the search needs optuna: `pip install ser_tl[search]`") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    study = optuna.create_study(storage=storage, study_name="search", direction="maximize", load_if_exists=True)
    study.sampler = optuna.samplers.TPESampler(seed=(seed + len(study.trials)) % (1 << 32))
    return study


def _ask(study: Any, config: SearchConfig) -> tuple[int, dict[str, Any]] | None:  # noqa: ANN401
    """The number and setting of the next trial, of one that was interrupted first; None when there are enough."""
    from optuna.trial import TrialState

    ended = [trial for trial in study.trials if trial.state in (TrialState.COMPLETE, TrialState.FAIL)]
    for trial in study.trials:
        if trial.state == TrialState.RUNNING and set(trial.params) == set(config.space):
            return trial.number, _decode(trial.params, config)
        if trial.state == TrialState.RUNNING:  # killed while it was asked
            study.tell(trial.number, state=TrialState.FAIL)
    if len(ended) >= config.trials:
        return None
    trial = study.ask({name: _distribution(values) for name, values in config.space.items()})
    values = [past.value for past in ended if past.params == trial.params and past.state == TrialState.COMPLETE]
    if values:  # the same seed, the same training
        study.tell(trial.number, values[0])
        return _ask(study, config)
    return trial.number, _decode(trial.params, config)


def _tell(study: Any, number: int, score: float | None) -> None:  # noqa: ANN401
    from optuna.trial import TrialState

    study.tell(number, score, state=TrialState.FAIL if score is None else TrialState.COMPLETE)


def _finish(
    study: Any,  # noqa: ANN401
    config: SearchConfig,
    folder: Path,
    refused: Sequence[str],
) -> tuple[dict[str, Any], float, int]:
    """The best setting, its score, and how many were tried; writes the table of the trials."""
    from optuna.trial import TrialState

    scored = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    if not scored:
        raise ConfigError(
            f"none of {len(study.trials)} settings could be trained: change search.space\n"
            f"{listing(dict.fromkeys(refused))}"
        )
    _write_table(study, folder)
    best = max(scored, key=lambda trial: (trial.value, -trial.number))
    return _decode(best.params, config), best.value, len(study.trials)


def _write_table(study: Any, folder: Path) -> None:  # noqa: ANN401
    """The trials up to now, with what can't be trained and what runs without a score: for whoever looks meanwhile."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["trial", "dev", *study.trials[0].params])
    for trial in study.trials:
        writer.writerow([trial.number + 1, "" if trial.value is None else trial.value, *trial.params.values()])
    write_text(folder / TABLE, text.getvalue())


def _distribution(values: Any) -> Any:  # noqa: ANN401
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(values, list):
        return CategoricalDistribution([_encode(value) for value in values])
    whole = isinstance(values["low"], int) and isinstance(values["high"], int)
    kind = IntDistribution if whole else FloatDistribution
    return kind(values["low"], values["high"], log=values.get("log", False))


def _encode(value: Any) -> Any:  # noqa: ANN401 - whatever YAML can say
    """A choice as optuna keeps it: lists and the like as text."""
    return json.dumps(value) if isinstance(value, list) else value


def _decode(params: Mapping[str, Any], config: SearchConfig) -> dict[str, Any]:
    """A setting from what optuna keeps of it."""
    setting = {}
    for name, stored in params.items():
        choices = config.space[name] if isinstance(config.space[name], list) else []
        setting[name] = next((value for value in choices if _encode(value) == stored), stored)
    return setting


def _is_range(values: Any) -> bool:  # noqa: ANN401 - whatever YAML can say
    """Whether these are choices, or a range of numbers."""
    if isinstance(values, list):
        return bool(values) and all(value is None or isinstance(value, str | int | float | list) for value in values)
    if not isinstance(values, dict) or not {"low", "high"} <= set(values) <= {"low", "high", "log"}:
        return False
    low, high = values["low"], values["high"]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (low, high))
    return numbers and low < high and not (values.get("log") and low <= 0)


def _text(setting: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {json.dumps(value).strip(chr(34))}"
        for name, value in setting.items()
    )


def _broadcast(value: Any) -> Any:  # noqa: ANN401
    """The main process' value, in all of them."""
    if processes().num_processes == 1:
        return value
    return broadcast_object_list([value])[0]
