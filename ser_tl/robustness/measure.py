"""What changes of the audio do to a model's answers.

    Predictor, Sample --measure()--> clean answers, then a Row a change: UAR, its fall, the share of answers unchanged

The same clips before and after, so the interval of a difference is a paired one over speakers. A clip in which the
model finds no speech has no emotion: it counts as wrong, and as changed. Independent of corpora and files.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ser_tl.errors import ConfigError
from ser_tl.evaluation.bootstrap import paired_interval
from ser_tl.evaluation.scores import confusion_by_group, mean_recall
from ser_tl.inference import Predictor
from ser_tl.robustness.change import Change, Limits

NO_SPEECH = "no speech"
"""The answer where a model finds no speech, in confusion matrices."""


@dataclass(frozen=True)
class Sample:
    """Clips that a model is checked on; speakers that it doesn't know.

    Args:
        ids: of the clips
        clips: (N,) each, mono at 16 kHz
        emotions: the references
        speakers: who says it
        groups: other columns, such as sex, a value a clip
    """

    ids: list[str]
    clips: list[np.ndarray]
    emotions: list[str]
    speakers: list[str]
    groups: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.ids:
            raise ConfigError("a check needs clips, and there are none: name another corpus, or other `ids`")


@dataclass(frozen=True)
class Answers:
    """What a model says of a sample.

    Args:
        labels: the likeliest emotion of each clip, or `NO_SPEECH`
        confidence: mean probability of the likeliest emotion, where there is one
    """

    labels: list[str]
    confidence: float


@dataclass(frozen=True)
class ChangeRow:
    """A change, measured.

    Args:
        name: the change's
        theme: likewise
        uar: after it, a fraction
        difference: UAR after it minus UAR before, a fraction
        low: of the difference's 95 % interval over speakers; None with one speaker only
        high: likewise
        unchanged: share of clips with the same answer as before
        confidence: mean probability of the likeliest emotion
        no_speech: clips in which the model finds no speech
        limits: what it had to stand; None where it isn't judged
        example: id of the first clip with another answer than before, or of the first clip where there is none
        answers: the answers for it, before and after
    """

    name: str
    theme: str
    uar: float
    difference: float
    low: float | None
    high: float | None
    unchanged: float
    confidence: float
    no_speech: int
    limits: Limits | None
    example: str
    answers: tuple[str, str]

    @property
    def passes(self) -> list[bool]:
        """Whether it passes each of its limits."""
        if self.limits is None:
            return []
        fall, unchanged = self.limits.fall, self.limits.unchanged
        checks = [] if fall is None else [-self.difference <= fall + 1e-9]
        return checks if unchanged is None else [*checks, self.unchanged >= unchanged - 1e-9]


def answer(predictor: Predictor, clips: Sequence[np.ndarray]) -> Answers:
    """What a model says of clips at 16 kHz.

    Raises:
        ConfigError: a model of dimensions alone, which has no answers to compare
    """
    if not predictor.labels:
        raise ConfigError("a check compares emotions, and this is a model of dimensions alone: check one of emotions")
    predictions = predictor.predict(list(clips), sampling_rate=16_000)
    tops = [max(prediction.probabilities.values()) for prediction in predictions if prediction.probabilities]
    return Answers([prediction.label or NO_SPEECH for prediction in predictions], float(np.mean(tops)) if tops else 0.0)


def measure(predictor: Predictor, sample: Sample, clean: Answers, changes: Iterable[Change]) -> Iterator[ChangeRow]:
    """A row for each change, as soon as it is measured.

    Args:
        predictor: the model
        sample: the clips
        clean: the model's answers for them as they are
        changes: of the audio
    """
    for change in changes:
        changed = [change.apply(clip, key) for clip, key in zip(sample.clips, sample.ids, strict=True)]
        yield compare(sample, clean, answer(predictor, changed), change, predictor.labels)


def compare(
    sample: Sample, clean: Answers, after: Answers, change: Change, labels: Sequence[str], *, interval: bool = True
) -> ChangeRow:
    """The row of a change, from the answers before and after it; without its interval, which takes longest, if not."""
    before, counts = (speaker_counts(sample, answers.labels, labels) for answers in (clean, after))
    interval_of_change = paired_interval(counts, before) if interval else None
    uar, old = (float(mean_recall(answers.sum(axis=0))) for answers in (counts, before))
    same = [answers == other for answers, other in zip(clean.labels, after.labels, strict=True)]
    example = same.index(False) if False in same else 0
    return ChangeRow(
        name=change.name,
        theme=change.theme,
        uar=uar,
        difference=uar - old,
        low=None if interval_of_change is None else interval_of_change.low,
        high=None if interval_of_change is None else interval_of_change.high,
        unchanged=float(np.mean(same)),
        confidence=after.confidence,
        no_speech=after.labels.count(NO_SPEECH),
        limits=change.limits,
        example=sample.ids[example],
        answers=(clean.labels[example], after.labels[example]),
    )


def speaker_counts(sample: Sample, answers: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """Confusion matrices (S, C + 1, C + 1), one a speaker; the last class is `NO_SPEECH`."""
    return confusion_by_group(sample.speakers, sample.emotions, answers, [*labels, NO_SPEECH])[1]
