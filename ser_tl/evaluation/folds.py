"""Pooling the folds of a cross-validation: their utterances, their figures, their facts.

    {fold: Predictions} --pool_predictions--> Predictions      {fold: Fold} --folds_mean--> mean and deviation
    {fold: facts} --pool_facts--> facts

Pooled figures weigh each utterance alike, the mean over folds each fold; both are in use, so a report gives both. It
doesn't know what a report is, and trains nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any, TypeAlias

import numpy as np

from ser_tl.errors import ConfigError, SplitError, listing
from ser_tl.evaluation.predictions import Predictions
from ser_tl.evaluation.ratings import Ratings
from ser_tl.evaluation.scores import Scores

JSON: TypeAlias = "Mapping[str, JSON] | Sequence[JSON] | str | int | float | bool | None"
"""What a fact may be: anything that JSON can say, without NaN and infinity."""


@dataclass(frozen=True)
class Fold:
    """One fold's part in a pooled report.

    Args:
        scores: its own figures; None where dimensions alone were predicted
        support: how many utterances it tested
    """

    scores: Scores | None
    support: int


def pool_predictions(parts: Mapping[str, Predictions], *, shared_speakers: bool = False) -> Predictions:
    """The folds' predictions, one after the other.

    Args:
        parts: fold name to its predictions
        shared_speakers: whether a speaker may be tested in several folds

    Raises:
        ConfigError: no folds, or folds with different classes or dimensions
        SplitError: an utterance or a speaker is tested in two folds
    """
    if not parts:
        raise ConfigError("no folds to pool: give the report of at least one fold")
    labels = next(iter(parts.values())).labels
    rated = {name: [] if part.ratings is None else part.ratings.names for name, part in parts.items()}
    if any(names != next(iter(rated.values())) for names in rated.values()):
        found = listing(f"{name}: {', '.join(names) or 'none'}" for name, names in rated.items())
        raise ConfigError(f"folds of different dimensions can't be pooled: train each fold on the same ones\n{found}")
    if any(part.labels != labels for part in parts.values()):
        found = listing(f"{name}: {', '.join(part.labels)}" for name, part in parts.items())
        raise ConfigError(f"folds of different classes can't be pooled: train each fold on the same ones\n{found}")
    _check_disjoint({name: set(part.ids) for name, part in parts.items()}, "utterance ids")
    if not shared_speakers:
        _check_disjoint({name: set(part.speakers) for name, part in parts.items()}, "speakers")
    return Predictions(
        ids=[name for part in parts.values() for name in part.ids],
        speakers=[name for part in parts.values() for name in part.speakers],
        references=[name for part in parts.values() for name in part.references],
        probabilities=np.concatenate([part.probabilities for part in parts.values()]),
        labels=labels,
        ratings=_pool_ratings([part.ratings for part in parts.values() if part.ratings is not None]),
        **_pool_sets(list(parts.values())),
    )


def _pool_sets(parts: Sequence[Predictions]) -> dict[str, Any]:
    """The sets of all folds, where each has some of the same coverage."""
    sets = [part.sets for part in parts if part.sets is not None]
    if len(sets) < len(parts) or len({part.coverage for part in parts}) > 1:
        return {}
    return {"sets": np.concatenate(sets), "coverage": parts[0].coverage}


def _pool_ratings(parts: Sequence[Ratings]) -> Ratings | None:
    if not parts:
        return None
    annotated, predicted = (np.concatenate(tables) for tables in zip(*(part.tables for part in parts), strict=True))
    return Ratings(parts[0].names, annotated, predicted)


def _check_disjoint(parts: Mapping[str, set[str]], kind: str) -> None:
    """Refuses a name that stands in two folds' test sets: the folds weren't apart, or two things share a name."""
    homes: dict[str, list[str]] = {}
    for fold, names in parts.items():
        for name in names:
            homes.setdefault(name, []).append(fold)
    shared = sorted(name for name, folds in homes.items() if len(folds) > 1)
    if shared:
        raise SplitError(
            f"{len(shared)} {kind} are in the test sets of several folds, expected was each in one: deal the folds by "
            f"speaker, and give speakers and utterances of different corpora different names\n"
            f"{listing(f'{name}: in ' + ', '.join(homes[name]) for name in shared)}"
        )


def folds_mean(folds: Mapping[str, Fold]) -> dict[str, dict[str, float | None]]:
    """Mean and sample deviation (n - 1) of each figure; the deviation of a single fold is None, no folds give {}.

    Those of dimensions are told of the pooled utterances only.
    """
    columns: dict[str, list[float]] = {}
    for fold in folds.values():
        for figure, value in ({} if fold.scores is None else asdict(fold.scores)).items():
            columns.setdefault(figure, []).append(value)
    return {
        figure: {"mean": fmean(values), "std": stdev(values) if len(values) > 1 else None}
        for figure, values in columns.items()
    }


def pool_notes(notes: Mapping[str, Sequence[str]]) -> list[str]:
    """The notes that all folds share, each once, then what each has of its own, behind its name."""
    shared = [note for note in dict.fromkeys(next(iter(notes.values()))) if all(note in own for own in notes.values())]
    return [*shared, *(f"{name}: {note}" for name, own in notes.items() for note in own if note not in shared)]


def pool_facts(facts: Mapping[str, Mapping[str, JSON]]) -> dict[str, JSON]:
    """The facts that all folds share, and under "folds" what each has of its own."""
    first = next(iter(facts.values()))
    shared = {
        key: value for key, value in first.items() if all(key in own and own[key] == value for own in facts.values())
    }
    own = {name: {key: value for key, value in part.items() if key not in shared} for name, part in facts.items()}
    return {**shared, "folds": own} if any(own.values()) else shared
