"""A corpus in figures: who says how much in which emotion, and how far its annotators agree.

    corpus --Summary.of--> Summary

It opens no more of the audio than its header, for the lengths.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Self

from datasets import Dataset

from ser_tl.data import schema
from ser_tl.data.agreement import AnnotatorAgreement, measure_agreement
from ser_tl.data.checks import measure_durations


@dataclass(frozen=True)
class Share:
    """What there is of an emotion.

    Args:
        utterances: how many
        seconds: of audio
        speakers: who say them
        recognised: mean share of listeners who recognised it; None where the corpus doesn't say
    """

    utterances: int
    seconds: float
    speakers: int
    recognised: float | None


@dataclass(frozen=True)
class Summary:
    """The figures of a corpus.

    Args:
        emotions: emotion to what there is of it, by name
        whole: what there is of all together
        languages: utterances in each language
        agreement: of the annotators; None where no utterance has two votes
    """

    emotions: dict[str, Share]
    total: Share
    languages: dict[str, int]
    agreement: AnnotatorAgreement | None

    @classmethod
    def from_corpus(cls, corpus: Dataset) -> Self:
        """The figures of a corpus with the columns of `data.schema`.

        Raises:
            AudioError: a file's header can't be read
        """
        rates = corpus["recognised"][:] if "recognised" in corpus.column_names else [None] * len(corpus)
        rows = list(zip(corpus["emotion"][:], measure_durations(corpus), corpus["speaker"][:], rates, strict=True))

        def share(members: list[tuple[str, float, str, float | None]]) -> Share:
            known_rates = [rate for *_, rate in members if rate is not None]
            return Share(
                utterances=len(members),
                seconds=sum(seconds for _, seconds, _, _ in members),
                speakers=len({speaker for _, _, speaker, _ in members}),
                recognised=sum(known_rates) / len(known_rates) if known_rates else None,
            )

        return cls(
            emotions={name: share([row for row in rows if row[0] == name]) for name in schema.emotions(corpus)},
            total=share(rows),
            languages=dict(sorted(Counter(corpus["language"][:]).items())),
            agreement=measure_agreement(corpus),
        )
