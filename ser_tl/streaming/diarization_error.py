"""EDER, the emotion diarization error rate: the share of the time in which the emotion is wrong.

    reference, hypothesis: spans with labels --measure_eder--> false alarm + missed + confusion

As SpeechBrain computes it (Wang et al. 2023, Speech Emotion Diarization): one minus the time in which both agree, over
the recording's length. Time without a span has the background's label: `neutral` on ZED, here no speech.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from ser_tl.errors import ConfigError


class LabelSpan(NamedTuple):
    """A label from one time to another, in seconds."""

    start: float
    end: float
    label: str


class DiarizationError(NamedTuple):
    """Shares of the scored time, 0 to 1.

    Attributes:
        false_alarm: an emotion where the reference has background
        missed: background where the reference has an emotion
        confusion: another emotion than the reference's
        seconds: that were scored
    """

    false_alarm: float
    missed: float
    confusion: float
    seconds: float

    @property
    def eder(self) -> float:
        """All errors together."""
        return self.false_alarm + self.missed + self.confusion


def measure_eder(
    reference: Iterable[LabelSpan],
    hypothesis: Iterable[LabelSpan],
    seconds: float,
    *,
    background: str = "",
    speech_only: bool = False,
) -> DiarizationError:
    """Scores what was found in a recording against what is in it.

    Args:
        reference: spans with their labels, which don't overlap; the rest is background
        hypothesis: likewise; where two overlap, each gets its half, as in SpeechBrain
        seconds: the recording's length
        background: the label of time without a span; spans that have it are none
        speech_only: leave time out where the reference has background

    Raises:
        ConfigError: spans of the reference overlap, end before they begin, or nothing is left to score
    """
    true = _check(reference, seconds, background, "the reference")
    if any(span.start < before.end - 1e-9 for before, span in pairwise(true)):
        raise ConfigError("spans of the reference overlap: EDER knows one emotion at a time; score each speaker alone")
    answered = _share_overlaps(_check(hypothesis, seconds, background, "the hypothesis"))
    edges = sorted({0.0, seconds, *(time for span in (*true, *answered) for time in span[:2])})
    wrong, scored = {"false_alarm": 0.0, "missed": 0.0, "confusion": 0.0}, 0.0
    for start, end in pairwise(edges):
        middle, length = (start + end) / 2, end - start
        expected, actual = (_label_at(spans, middle, background) for spans in (true, answered))
        if speech_only and expected == background:
            continue
        scored += length
        if expected != actual:
            kind = "false_alarm" if expected == background else "missed" if actual == background else "confusion"
            wrong[kind] += length
    if not scored:
        raise ConfigError("no time is left to score: the recording is empty, or the reference has no emotion")
    return DiarizationError(**{kind: length / scored for kind, length in wrong.items()}, seconds=scored)


def _check(spans: Iterable[LabelSpan], seconds: float, background: str, name: str) -> list[LabelSpan]:
    """Spans within the recording, in order, without the background's."""
    spans_in_order = []
    for span in spans:
        if not span.start <= span.end:  # False if one isn't a number, too
            raise ConfigError(f"{name} has a span from {span.start} to {span.end} s: expected its start before its end")
        start, end = max(span.start, 0.0), min(span.end, seconds)
        if start < end and span.label != background:
            spans_in_order.append(LabelSpan(start, end, span.label))
    return sorted(spans_in_order)


def _share_overlaps(spans: list[LabelSpan]) -> list[LabelSpan]:
    """Spans that don't overlap: neighbours of the same label are joined, of others meet in the middle."""
    apart: list[LabelSpan] = []
    for span in spans:
        last = apart[-1] if apart else None
        if last is None or span.start >= last.end:
            apart.append(span)
        elif last.label == span.label:
            apart[-1] = last._replace(end=max(last.end, span.end))
        else:
            middle = (span.start + min(last.end, span.end)) / 2
            apart[-1] = last._replace(end=middle)
            apart.append(span._replace(start=middle))
    return apart


def _label_at(spans: list[LabelSpan], time: float, background: str) -> str:
    return next((label for start, end, label in spans if start <= time < end), background)
