"""Two systems on the same clips: the difference of their UAR, its interval, and McNemar's test.

    {system: [Report, one a seed]} --compare_pairs()--> [PairedTest]

Speakers are drawn for both systems at once, and for all seeds of each. Knows reports, and not what they are on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import TypeAlias

import numpy as np

from ser_tl.comparison.significance import holm, mcnemar
from ser_tl.evaluation.bootstrap import Interval, paired_interval
from ser_tl.evaluation.report import Report
from ser_tl.evaluation.scores import confusion_by_group

Clips: TypeAlias = "frozenset[tuple[str, str, str]]"
"""What a report is on: id, speaker and reference of each clip."""


@dataclass(frozen=True)
class PairedTest:
    """Two systems that were tested on the same clips.

    Args:
        first: the one with the higher UAR
        second: the other
        difference: UAR of the first minus that of the second, a fraction
        low: of the difference's interval; None with one speaker only
        high: likewise
        only_first: clips that the first alone gets right; None with several seeds
        only_second: clips that the second alone gets right; None with several seeds
        p: McNemar's; None with several seeds, in which a clip would count several times
        p_holm: adjusted for all pairs by Holm's method
    """

    first: str
    second: str
    difference: float
    low: float | None
    high: float | None
    only_first: int | None = None
    only_second: int | None = None
    p: float | None = None
    p_holm: float | None = None


def mean_uar(reports: Sequence[Report]) -> float:
    """The mean UAR of some seeds, a fraction."""
    return fmean(report.uar for report in reports)


def list_tested(report: Report) -> Clips:
    """What a report is on: id, speaker and reference of each clip."""
    predictions = report.predictions
    return frozenset(zip(predictions.ids, predictions.speakers, predictions.references, strict=True))


def compare_pairs(each: Mapping[str, Sequence[Report]], tested: Mapping[str, Sequence[Clips]]) -> list[PairedTest]:
    """All pairs on the same clips, in the order of the systems."""
    pairs = []
    for first, second in combinations(each, 2):
        if tested[first] != tested[second]:
            continue
        interval = _bootstrap_pair(each[first], each[second])
        pair = PairedTest(
            first=first,
            second=second,
            difference=mean_uar(each[first]) - mean_uar(each[second]),
            low=interval.low if interval else None,
            high=interval.high if interval else None,
        )
        pairs.append(_add_mcnemar(pair, each[first][0], each[second][0]) if len(each[first]) == 1 else pair)
    with_p = [(index, pair.p) for index, pair in enumerate(pairs) if pair.p is not None]
    for (index, _), adjusted in zip(with_p, holm([p for _, p in with_p]), strict=True):
        pairs[index] = replace(pairs[index], p_holm=adjusted)
    return pairs


def _add_mcnemar(pair: PairedTest, first: Report, second: Report) -> PairedTest:
    """The pair with McNemar's test."""
    hits = [dict(zip(report.predictions.ids, _is_right(report), strict=True)) for report in (first, second)]
    order = first.predictions.ids
    test = mcnemar([hits[0][name] for name in order], [hits[1][name] for name in order])
    return replace(pair, only_first=test.only_first, only_second=test.only_second, p=test.p)


def _is_right(report: Report) -> list[bool]:
    predictions = report.predictions
    return [
        predicted == reference
        for predicted, reference in zip(predictions.predictions, predictions.references, strict=True)
    ]


def _bootstrap_pair(first: Sequence[Report], second: Sequence[Report]) -> Interval | None:
    """The interval of a difference of (mean) UAR, over speakers drawn for both at once."""
    first_counts, second_counts = count_by_speaker([first, second])
    return paired_interval(first_counts, second_counts)


def count_by_speaker(systems: Sequence[Sequence[Report]]) -> np.ndarray:
    """Confusion matrices (systems, runs, S, C, C) over all speakers and classes that any of the reports has."""
    every = [report.predictions for reports in systems for report in reports]
    labels = list(dict.fromkeys(label for predictions in every for label in predictions.labels))
    speakers = sorted({speaker for predictions in every for speaker in predictions.speakers})
    index = {speaker: number for number, speaker in enumerate(speakers)}
    counts = np.zeros((len(systems), len(systems[0]), len(speakers), len(labels), len(labels)), dtype=np.int64)
    for system, reports in enumerate(systems):
        for run, report in enumerate(reports):
            predictions = report.predictions
            names, run_counts = confusion_by_group(
                predictions.speakers, predictions.references, predictions.predictions, labels
            )
            counts[system, run, [index[name] for name in names]] = run_counts
    return counts
