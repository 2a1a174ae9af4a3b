"""Whether a model is as good for one group of speakers as for another: UAR by group, and the gap with its interval.

    Predictions, {speaker: group} --compare_groups()--> GroupScores, worst group first

A group's interval and the gap's resample the speakers of each group
independently. With few speakers a gap of ten points is chance, and its interval shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ser_tl.evaluation.bootstrap import Interval, speaker_interval
from ser_tl.evaluation.fold_pooling import JSON
from ser_tl.evaluation.predictions import Predictions
from ser_tl.evaluation.scores import confusion_by_group, mean_recall

_RESAMPLES = 1000


@dataclass(frozen=True)
class GroupScore:
    """One group of speakers.

    Args:
        uar: over its utterances, a fraction
        interval: over its speakers; None with one
        speakers: how many
        support: utterances
    """

    uar: float
    interval: Interval | None
    speakers: int
    support: int


@dataclass(frozen=True)
class GroupScores:
    """The groups by one column.

    Args:
        column: its name
        groups: by name, the lowest UAR first
        gap: UAR of the best minus that of the worst
        interval: of that; None where one of the two has one speaker only
        unknown: utterances whose group isn't known, which are left out
    """

    column: str
    groups: Mapping[str, GroupScore]
    gap: float
    interval: Interval | None
    unknown: int


def compare_groups(predictions: Predictions, group_of: Mapping[str, str], column: str) -> GroupScores | None:
    """The scores of each group; None where fewer than two are known, or there are no classes.

    Args:
        predictions: of a test set
        group_of: speaker to group; speakers that aren't in it are of unknown groups
        column: what the groups are, for the report
    """
    if not predictions.labels:
        return None
    names, counts = confusion_by_group(
        predictions.speakers, predictions.references, predictions.predictions, predictions.labels
    )
    members: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        if name in group_of:
            members.setdefault(group_of[name], []).append(index)
    if len(members) < 2:
        return None
    tables = {group: counts[rows] for group, rows in members.items()}
    scores = {
        group: GroupScore(float(mean_recall(table.sum(axis=0))), speaker_interval(table), len(table), int(table.sum()))
        for group, table in tables.items()
    }
    ordered = dict(sorted(scores.items(), key=lambda item: item[1].uar))
    worst, best = next(iter(ordered)), list(ordered)[-1]
    return GroupScores(
        column=column,
        groups=ordered,
        gap=ordered[best].uar - ordered[worst].uar,
        interval=_gap_interval(tables[best], tables[worst]),
        unknown=len(predictions) - sum(score.support for score in scores.values()),
    )


def _gap_interval(best: np.ndarray, worst: np.ndarray) -> Interval | None:
    if min(len(best), len(worst)) < 2:
        return None
    draws = [_draw_uars(counts, seed) for seed, counts in enumerate((best, worst))]
    low, high = np.nanquantile(draws[0] - draws[1], [0.025, 0.975])
    return Interval(0.95, float(low), float(high), "speakers", _RESAMPLES)


def _draw_uars(counts: np.ndarray, seed: int) -> np.ndarray:
    """UAR (R,) of a group's speakers, drawn with replacement."""
    speakers, classes = counts.shape[0], counts.shape[-1]
    times = np.random.default_rng(seed).multinomial(speakers, np.full(speakers, 1 / speakers), size=_RESAMPLES)
    return mean_recall((times @ counts.reshape(speakers, -1)).reshape(_RESAMPLES, classes, classes))


def compare_recorded_groups(predictions: Predictions, facts: Mapping[str, JSON]) -> list[GroupScores]:
    """The scores of the groups that the facts record, those of folds included."""
    folds = facts.get("folds")
    group_of: dict[str, dict[str, str]] = {}
    for facts_of_fold in [facts, *(folds.values() if isinstance(folds, Mapping) else ())]:
        groups = facts_of_fold.get("groups") if isinstance(facts_of_fold, Mapping) else None
        for column, members in groups.items() if isinstance(groups, Mapping) else ():
            group_of.setdefault(column, {}).update(members if isinstance(members, Mapping) else {})  # ty: ignore
    compared = [compare_groups(predictions, members, column) for column, members in group_of.items()]
    return [scores for scores in compared if scores is not None]
