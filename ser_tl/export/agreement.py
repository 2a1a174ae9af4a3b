"""What a quantised graph costs, on speech: how often it answers as the model does, and what that does to the UAR.

corpus --sample_corpus()--> Sample --Judge(model's session)--> Verdict on each graph
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from datasets import Dataset

from ser_tl.data import audio
from ser_tl.data.checks import audio_source
from ser_tl.errors import ConfigError
from ser_tl.evaluation.ratings import Ratings
from ser_tl.evaluation.scores import confusion_matrix, mean_recall
from ser_tl.inference import Prediction, Predictor
from ser_tl.inference.session import Session
from ser_tl.model import KnownSpeakers
from ser_tl.modules.stitching import Stitching

LEAST_AGREEMENT = 0.97
"""Of the answers, or of Lin's concordance with the model's dimensions."""

MOST_LOST = 0.01
"""Of the UAR."""

CALIBRATION = 40
"""Clips whose activations are measured; twelve do nearly as well."""

JUDGED = 240
"""Other clips, on which answers are compared."""

_FEWEST = 20
_PIECES = 5  # of a clip: as many seconds as of clips that are three long


@dataclass(frozen=True)
class Sample:
    """Clips of a corpus.

    Attributes:
        corpus: its name
        calibration: clips whose activations are measured
        judged: other clips
        emotions: of those
        known: how many of them are of speakers that the model was trained on
        seconds: to which calibration clips are repeated or cut
    """

    corpus: str
    calibration: list[np.ndarray]
    judged: list[np.ndarray]
    emotions: list[str]
    reference_count: int
    seconds: float = 3.0

    def in_pieces(self, stitching: Stitching | None) -> "Sample":
        """Calibrated on pieces, of which the graph of a stitched model takes one at a time.

        Ranges of whole clips aren't theirs: with such, 94 instead of 97 % of answers stayed.

        Args:
            stitching: the model's; None for one that isn't stitched, which takes whole clips
        """
        if stitching is None:
            return self
        pieces = []
        for clip in self.calibration:
            plan = stitching.plan_pieces(len(clip))
            for index in np.unique(np.linspace(0, len(plan) - 1, _PIECES).round().astype(int)):
                pieces.append(clip[plan[index].begin : plan[index].stop])
        return replace(self, calibration=pieces, seconds=stitching.hop + stitching.context)


def sample_corpus(corpus: Dataset, speakers: KnownSpeakers) -> Sample:
    """Clips drawn from a corpus; the same ones each time.

    Those that are judged are of speakers that the model doesn't know, if there are enough: its answers on those of
    training are surer than any others, and hide what quantising costs.

    Args:
        corpus: rows with the columns of `data.schema`
        speakers: that the model was trained on

    Raises:
        ConfigError: too few clips
        AudioError: one can't be used
    """
    if len(corpus) < _FEWEST:
        raise ConfigError(
            f"{len(corpus)} clips to calibrate on: at least {_FEWEST} are needed, some to measure activations on "
            f"and others to compare answers on"
        )
    names = corpus["speaker"][:]
    with_labels = set(speakers.among(names))
    order = np.random.default_rng(0).permutation(len(corpus)).tolist()
    strangers = [index for index in order if names[index] not in with_labels]
    others = [index for index in order if names[index] in with_labels]
    if len(strangers) < _FEWEST:  # too few to judge by
        strangers, others = order, []
    spare = max(len(strangers) - JUDGED, len(strangers) // 3 if len(others) < _FEWEST // 3 else 0)
    calibration = [*others, *reversed(strangers[len(strangers) - spare :])][:CALIBRATION]
    judged = [index for index in strangers if index not in set(calibration)][:JUDGED]
    return Sample(
        ", ".join(sorted(set(corpus["corpus"][:]))),
        [_decode(corpus[index]) for index in calibration],
        [_decode(corpus[index]) for index in judged],
        [corpus[index]["emotion"] for index in judged],
        sum(names[index] in with_labels for index in judged),
    )


def _decode(row: dict[str, Any]) -> np.ndarray:
    return audio.decode(audio_source(row), row["start"], row["end"], silence=True)


@dataclass(frozen=True)
class Verdict:
    """What a graph costs.

    Attributes:
        way: how it was quantised
        clips: that were judged
        agreement: share of clips with the model's answer; None for a model of dimensions alone
        uar_before: the model's; None where the corpus has emotions that it doesn't know
        uar_after: the graph's
        concordance: the least of Lin's coefficients between the model's dimensions and the graph's; None without any
        mean_difference: of probabilities
        max_difference: likewise
        size: of the graph, bytes
    """

    way: str
    clips: int
    agreement: float | None
    uar_before: float | None
    uar_after: float | None
    concordance: float | None
    mean_difference: float
    max_difference: float
    size: int

    @property
    def acceptable(self) -> bool:
        """Whether answers agree and little is lost."""
        agrees = all(score is None or score >= LEAST_AGREEMENT for score in (self.agreement, self.concordance))
        lost = 0.0 if self.uar_before is None or self.uar_after is None else self.uar_before - self.uar_after
        return agrees and lost <= MOST_LOST + 1e-9

    def __str__(self) -> str:
        """In a line."""
        parts = [f"{self.way}: {self.size / 1e6:.2f} MB"]
        if self.agreement is not None:
            parts.append(f"{100 * self.agreement:.1f} % of {self.clips} answers are the model's")
        if self.uar_before is not None and self.uar_after is not None:
            parts.append(f"UAR {100 * self.uar_before:.1f} -> {100 * self.uar_after:.1f}")
        if self.concordance is not None:
            parts.append(f"dimensions' concordance with the model's {self.concordance:.3f}")
        parts.append(
            f"probabilities differ by {self.mean_difference:.3f} on average, {self.max_difference:.2f} at most"
        )
        return ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


class Judge:
    """Compares graphs with the model that they were made of.

    Args:
        model: its session
        sample: the clips
    """

    def __init__(self, model: Session, sample: Sample) -> None:
        self.sample = sample
        self.labels = list(model.labels)
        self.expected = Predictor(model).predict(sample.judged)

    def judge(self, way: str, graph: Session, size: int) -> Verdict:
        """What a graph costs.

        Args:
            way: how it was quantised
            graph: its session
            size: of its file, bytes
        """
        answers = Predictor(graph).predict(self.sample.judged)
        with_speech = [index for index, prediction in enumerate(self.expected) if prediction.speech]
        differences = np.concatenate([*_differences(self.expected, answers), np.zeros(1)])
        same = [self.expected[index].label == answers[index].label for index in with_speech]
        has_labels = bool(self.labels) and set(self.sample.emotions) <= set(self.labels)
        return Verdict(
            way=way,
            clips=len(with_speech),
            agreement=float(np.mean(same)) if self.labels else None,
            uar_before=self._uar(self.expected, with_speech) if has_labels else None,
            uar_after=self._uar(answers, with_speech) if has_labels else None,
            concordance=_concordance(self.expected, answers),
            mean_difference=float(differences.mean()),
            max_difference=float(differences.max()),
            size=size,
        )

    def _uar(self, predictions: list[Prediction], indices: list[int]) -> float:
        emotions = [self.sample.emotions[index] for index in indices]
        return float(
            mean_recall(confusion_matrix(emotions, [predictions[index].label for index in indices], self.labels))
        )


def _differences(expected: list[Prediction], actual: list[Prediction]) -> Iterator[np.ndarray]:
    for prediction, other in zip(expected, actual, strict=True):
        yield np.abs(np.array(list(prediction.probabilities.values())) - np.array(list(other.probabilities.values())))


def _concordance(expected: list[Prediction], actual: list[Prediction]) -> float | None:
    names = list(expected[0].dimensions)
    if not names:
        return None
    first, second = (
        np.array([[prediction.dimensions[name] for name in names] for prediction in rows if prediction.speech])
        for rows in (expected, actual)
    )
    figures = Ratings(names, first, second).score(["all"] * len(first)).values()
    return min(0.0 if figure.ccc is None else figure.ccc for figure in figures)
