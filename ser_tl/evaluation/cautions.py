"""Warnings for a reader of figures on little data.

    support of the classes, names of the speakers --list_cautions()--> sentences for console, report and card

They are computed from the predictions and not stored, so that they hold for a pooled or loaded report too.
"""

from collections.abc import Mapping, Sequence

from ser_tl.data.speakers import UNKNOWN

FEWEST_CLIPS = 5
"""Of a class: each clip of fewer is more than 20 points of its recall."""

FEWEST_SPEAKERS = 10
"""Below, percentile intervals over speakers come out too narrow (see `bootstrap`)."""


def list_cautions(support: Mapping[str, int], speakers: Sequence[str]) -> list[str]:
    """What a test set is too small for.

    Args:
        support: class to its number of test clips; empty where dimensions alone were predicted
        speakers: of each test clip
    """
    return [*_warn_of_few_clips(support), *_warn_of_few_speakers(speakers)]


def _warn_of_few_clips(support: Mapping[str, int]) -> list[str]:
    few = {name: count for name, count in support.items() if count < FEWEST_CLIPS}
    if not few:
        return []
    named = ", ".join(f"{name} ({count})" for name, count in few.items())
    none = "; of none, recall is undefined and the UAR is over the other classes" if 0 in few.values() else ""
    return [
        f"Fewer than {FEWEST_CLIPS} test clips of {named}: one clip more or less right moves the recall of such a "
        f"class by 20 points or more, and the UAR with it{none}."
    ]


def _warn_of_few_speakers(speakers: Sequence[str]) -> list[str]:
    unknown, people = speakers.count(UNKNOWN), len({*speakers} - {UNKNOWN})
    if unknown:
        return [
            f"The speaker of {unknown} of {len(speakers)} test clips is unknown: there may be training speakers among "
            f"them, and no interval shows how figures would move with other speakers."
        ]
    if people == 1:
        return ["One test speaker: the figures say nothing about other speakers."]
    if people < FEWEST_SPEAKERS:
        return [
            f"{people} test speakers: intervals over fewer than {FEWEST_SPEAKERS} come out too narrow, and are no "
            f"measure of how other speakers would do."
        ]
    return []
