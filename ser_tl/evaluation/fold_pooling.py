"""Pooling the folds of a cross-validation: their utterances, their figures, their facts.

    {fold: Predictions} --pool_predictions--> Predictions      {fold: FoldScores} --average_folds--> mean and deviation
    {fold: facts} --pool_facts--> facts

Pooled figures weigh each utterance alike, the mean over folds each fold; both are in use, so a report gives both.
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
"""The types of a fact: all of JSON's, without NaN and infinity."""


@dataclass(frozen=True)
class FoldScores:
    """The figures of one fold in a pooled report.

    Args:
        scores: over the fold's utterances; None where dimensions alone were predicted
        support: number of test utterances
    """

    scores: Scores | None
    support: int


def pool_predictions(folds: Mapping[str, Predictions], *, shared_speakers: bool = False) -> Predictions:
    """The folds' predictions, one after the other.

    Args:
        folds: fold name to its predictions
        shared_speakers: whether a speaker may be tested in several folds

    Raises:
        ConfigError: no folds, or folds with different classes or dimensions
        SplitError: an utterance or a speaker is tested in two folds
    """
    if not folds:
        raise ConfigError("no folds to pool: give the report of at least one fold")
    labels = next(iter(folds.values())).labels
    rated = {name: [] if fold.ratings is None else fold.ratings.names for name, fold in folds.items()}
    if any(names != next(iter(rated.values())) for names in rated.values()):
        listed = listing(f"{name}: {', '.join(names) or 'none'}" for name, names in rated.items())
        raise ConfigError(f"folds of different dimensions can't be pooled: train each fold on the same ones\n{listed}")
    if any(fold.labels != labels for fold in folds.values()):
        listed = listing(f"{name}: {', '.join(fold.labels)}" for name, fold in folds.items())
        raise ConfigError(f"folds of different classes can't be pooled: train each fold on the same ones\n{listed}")
    _check_disjoint({name: set(fold.ids) for name, fold in folds.items()}, "utterance ids")
    if not shared_speakers:
        _check_disjoint({name: set(fold.speakers) for name, fold in folds.items()}, "speakers")
    return Predictions(
        ids=[name for fold in folds.values() for name in fold.ids],
        speakers=[name for fold in folds.values() for name in fold.speakers],
        references=[name for fold in folds.values() for name in fold.references],
        probabilities=np.concatenate([fold.probabilities for fold in folds.values()]),
        labels=labels,
        ratings=_pool_ratings([fold.ratings for fold in folds.values() if fold.ratings is not None]),
        **_pool_sets(list(folds.values())),
    )


def _pool_sets(folds: Sequence[Predictions]) -> dict[str, Any]:
    """The sets of all folds, where each has some of the same coverage."""
    sets = [fold.sets for fold in folds if fold.sets is not None]
    if len(sets) < len(folds) or len({fold.coverage for fold in folds}) > 1:
        return {}
    return {"sets": np.concatenate(sets), "coverage": folds[0].coverage}


def _pool_ratings(parts: Sequence[Ratings]) -> Ratings | None:
    if not parts:
        return None
    annotated, predicted = (np.concatenate(tables) for tables in zip(*(part.tables for part in parts), strict=True))
    return Ratings(parts[0].names, annotated, predicted)


def _check_disjoint(names_of: Mapping[str, set[str]], kind: str) -> None:
    """Refuses a name that is in the test sets of two folds: the folds overlap, or two things share a name."""
    homes: dict[str, list[str]] = {}
    for fold, names in names_of.items():
        for name in names:
            homes.setdefault(name, []).append(fold)
    shared = sorted(name for name, folds in homes.items() if len(folds) > 1)
    if shared:
        raise SplitError(
            f"{len(shared)} {kind} are in the test sets of several folds, expected was each in one: deal the folds by "
            f"speaker, and give speakers and utterances of different corpora different names\n"
            f"{listing(f'{name}: in ' + ', '.join(homes[name]) for name in shared)}"
        )


def average_folds(folds: Mapping[str, FoldScores]) -> dict[str, dict[str, float | None]]:
    """Mean and sample deviation (n - 1) of each figure; the deviation of a single fold is None, no folds give {}.

    The scores of dimensions are computed over the pooled utterances only.
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
    """The notes that all folds share, each once, then the others, each behind its fold's name."""
    shared = [
        note
        for note in dict.fromkeys(next(iter(notes.values())))
        if all(note in notes_of_fold for notes_of_fold in notes.values())
    ]
    return [
        *shared,
        *(f"{name}: {note}" for name, notes_of_fold in notes.items() for note in notes_of_fold if note not in shared),
    ]


def pool_facts(facts: Mapping[str, Mapping[str, JSON]]) -> dict[str, JSON]:
    """The facts that all folds share, and under "folds" the others by fold."""
    first = next(iter(facts.values()))
    shared = {
        key: value
        for key, value in first.items()
        if all(key in differing and differing[key] == value for differing in facts.values())
    }
    differing = {
        name: {key: value for key, value in facts_of_fold.items() if key not in shared}
        for name, facts_of_fold in facts.items()
    }
    return {**shared, "folds": differing} if any(differing.values()) else shared
