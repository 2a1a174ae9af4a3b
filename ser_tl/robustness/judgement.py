"""Correctness and fairness of a model's answers on clips as they are, by the tests of audEERING's ser-tests.

    Sample, answers --check_correctness(), check_fairness()--> [Verdict]

Thresholds of fairness are theirs, from a thousand runs of a random model. A test that a corpus is too small for (a
ranking of few speakers, a class with a handful of clips in a group) is left out rather than passed. Knows numbers
alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ser_tl.evaluation.scores import confusion_matrix, mean_recall
from ser_tl.robustness.measure import NO_SPEECH, Sample

FEWEST_OF_CLASS = 8
"""Clips of a class that a speaker or a group needs to count."""

FEWEST_SPEAKERS = 4
"""Speakers that a ranking needs."""

_SEX = {"UAR": 0.075, "recall": 0.175, "precision": 0.075}
_GROUP = {"UAR": 0.075, "recall": 0.225, "precision": 0.1}


@dataclass(frozen=True)
class Verdict:
    """A test on answers as they are.

    Args:
        name: of the test
        theme: correctness, or fairness
        value: what was measured
        limit: what it is held against
        passed: whether it stands
    """

    name: str
    theme: str
    value: float
    limit: float
    passed: bool


def check_correctness(sample: Sample, answers: Sequence[str], labels: Sequence[str]) -> Iterator[Verdict]:
    """Scores by class, proportions of classes, and the speakers' averages and ranking."""
    recall, precision, shares = _figures(sample.emotions, answers, labels)
    occurring = ~np.isnan(recall)
    yield _at_least("UAR", "correctness", float(np.nanmean(recall)), 0.5)
    yield _at_least("UAP (mean precision)", "correctness", float(np.mean(precision[occurring])), 0.5)
    for index in np.flatnonzero(occurring):
        yield _at_least(f"recall of {labels[index]}", "correctness", float(recall[index]), 0.5)
        yield _at_least(f"precision of {labels[index]}", "correctness", float(precision[index]), 0.5)
        fault = abs(shares[1][index] - shares[0][index])
        yield _at_most(f"proportion of {labels[index]}", "correctness", float(fault), 0.15)
    yield from _by_speaker(sample, answers, [labels[index] for index in np.flatnonzero(occurring)])


def _by_speaker(sample: Sample, answers: Sequence[str], labels: Sequence[str]) -> Iterator[Verdict]:
    speakers = np.array(sample.speakers)
    references, predicted = np.array(sample.emotions), np.array(answers)
    for label in labels:
        names = [
            name
            for name in sorted(set(sample.speakers))
            if (references[speakers == name] == label).sum() >= FEWEST_OF_CLASS
        ]
        if len(names) < 2:
            continue
        true, detected = (
            np.array([np.mean(rows[speakers == name] == label) for name in names]) for rows in (references, predicted)
        )
        yield _at_most(
            f"speakers' share of {label}, mean error", "correctness", float(np.abs(true - detected).mean()), 0.1
        )
        if len(names) >= FEWEST_SPEAKERS and np.ptp(true) > 0 and np.ptp(detected) > 0:
            yield _at_least(f"ranking of speakers by {label}", "correctness", _spearman(true, detected), 0.7)


def check_fairness(sample: Sample, answers: Sequence[str], labels: Sequence[str]) -> Iterator[Verdict]:
    """How far groups of clips are apart: of two groups their difference, of more the largest to all clips."""
    for column, values in sample.groups.items():
        names = sorted(set(values))
        if len(names) < 2:
            continue
        limits = _SEX if column == "sex" else _GROUP
        figures = {name: _of_group(sample, answers, values, name, labels) for name in names}
        whole = _figures(sample.emotions, answers, labels)[:2]
        common = ~np.isnan([recall for recall, _ in figures.values()]).any(axis=0)
        if not common.any():  # no class of which every group has clips enough
            continue
        gap = _gap([float(recall[common].mean()) for recall, _ in figures.values()], float(whole[0][common].mean()))
        yield _at_most(f"{column}: UAR", "fairness", gap, limits["UAR"])
        for kind, rows in (("recall", 0), ("precision", 1)):
            for index, label in enumerate(labels):
                by_group = [each[rows][index] for each in figures.values()]
                if not np.isnan(by_group).any():
                    gap = _gap(by_group, float(whole[rows][index]))
                    yield _at_most(f"{column}: {kind} of {label}", "fairness", gap, limits[kind])


def _of_group(
    sample: Sample, answers: Sequence[str], values: Sequence[str], name: str, labels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision (C,) within a group, NaN for classes of which it has too few clips."""
    rows = [index for index, value in enumerate(values) if value == name]
    references = [sample.emotions[index] for index in rows]
    recall, precision, _ = _figures(references, [answers[index] for index in rows], labels)
    few = np.array([references.count(label) < FEWEST_OF_CLASS for label in labels])
    return np.where(few, np.nan, recall), np.where(few, np.nan, precision)


def _figures(
    references: Sequence[str], answers: Sequence[str], labels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Recall (C,), NaN for classes that don't occur; precision (C,), 0 for what was never said; shares of both."""
    counts = confusion_matrix(references, answers, [*labels, NO_SPEECH])
    hits, support, predicted = np.diagonal(counts)[:-1], counts.sum(axis=1)[:-1], counts.sum(axis=0)[:-1]
    recall = np.where(support > 0, hits / np.maximum(support, 1), np.nan)
    return recall, hits / np.maximum(predicted, 1), (support / counts.sum(), predicted / counts.sum())


def _gap(values: Sequence[float], whole: float) -> float:
    if len(values) == 2:
        return float(abs(values[0] - values[1]))
    return float(max(abs(value - whole) for value in values))


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, equal values sharing their mean rank."""
    return np.array([(values < value).sum() + ((values == value).sum() - 1) / 2 for value in values])


def _at_least(name: str, theme: str, value: float, limit: float) -> Verdict:
    return Verdict(name, theme, value, limit, value >= limit)


def _at_most(name: str, theme: str, value: float, limit: float) -> Verdict:
    return Verdict(name, theme, value, limit, value <= limit + 1e-9)


def uar_of(sample: Sample, answers: Sequence[str], labels: Sequence[str]) -> float:
    """The UAR of answers, a fraction."""
    return float(mean_recall(confusion_matrix(sample.emotions, answers, [*labels, NO_SPEECH])))
