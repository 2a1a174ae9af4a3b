"""Two systems on the same clips: the difference of their UAR, its interval, and McNemar's test.

    {system: [Report, one a seed]} --pairs_of()--> [Pair]

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
class Pair:
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


def tested_on(report: Report) -> Clips:
    """What a report is on: id, speaker and reference of each clip."""
    found = report.predictions
    return frozenset(zip(found.ids, found.speakers, found.references, strict=True))


def pairs_of(each: Mapping[str, Sequence[Report]], tested: Mapping[str, Sequence[Clips]]) -> list[Pair]:
    """All pairs on the same clips, in the order of the systems."""
    pairs = []
    for first, second in combinations(each, 2):
        if tested[first] != tested[second]:
            continue
        found = _paired(each[first], each[second])
        pair = Pair(
            first=first,
            second=second,
            difference=mean_uar(each[first]) - mean_uar(each[second]),
            low=found.low if found else None,
            high=found.high if found else None,
        )
        pairs.append(_tested_pair(pair, each[first][0], each[second][0]) if len(each[first]) == 1 else pair)
    with_p = [(place, pair.p) for place, pair in enumerate(pairs) if pair.p is not None]
    for (place, _), adjusted in zip(with_p, holm([p for _, p in with_p]), strict=True):
        pairs[place] = replace(pairs[place], p_holm=adjusted)
    return pairs


def _tested_pair(pair: Pair, first: Report, second: Report) -> Pair:
    """The pair with McNemar's test."""
    hits = [dict(zip(report.predictions.ids, _right(report), strict=True)) for report in (first, second)]
    order = first.predictions.ids
    test = mcnemar([hits[0][name] for name in order], [hits[1][name] for name in order])
    return replace(pair, only_first=test.only_first, only_second=test.only_second, p=test.p)


def _right(report: Report) -> list[bool]:
    said = report.predictions
    return [one == other for one, other in zip(said.predictions, said.references, strict=True)]


def _paired(first: Sequence[Report], second: Sequence[Report]) -> Interval | None:
    """The interval of a difference of (mean) UAR, over speakers drawn for both at once."""
    one, other = speaker_counts([first, second])
    return paired_interval(one, other)


def speaker_counts(systems: Sequence[Sequence[Report]]) -> np.ndarray:
    """Confusion matrices (systems, runs, S, C, C) over all speakers and classes that any of the reports has."""
    every = [report.predictions for reports in systems for report in reports]
    labels = list(dict.fromkeys(label for said in every for label in said.labels))
    speakers = sorted({speaker for said in every for speaker in said.speakers})
    place = {speaker: number for number, speaker in enumerate(speakers)}
    counts = np.zeros((len(systems), len(systems[0]), len(speakers), len(labels), len(labels)), dtype=np.int64)
    for system, reports in enumerate(systems):
        for run, report in enumerate(reports):
            said = report.predictions
            names, own = confusion_by_group(said.speakers, said.references, said.predictions, labels)
            counts[system, run, [place[name] for name in names]] = own
    return counts
