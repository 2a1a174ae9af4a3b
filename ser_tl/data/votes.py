"""Labels from the votes of several annotators: one emotion by majority, or shares as soft labels.

    corpus with votes --relabel--> corpus whose emotion is the majority's, and notes on what became of the ties
                      --soft_targets--> (n, C) each utterance's distribution over the classes, and notes

A vote is an annotator's category, by its canonical name and mapped as the emotions are. Nothing is left out silently:
what isn't as the votes would have it is counted in a note.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from datasets import Dataset

from ser_tl.data.combination import Classes
from ser_tl.errors import ConfigError, CorpusError


@dataclass(frozen=True)
class AnnotationConfig:
    """Labels and targets of utterances with several annotators.

    Args:
        emotion: the emotion in training and report: the `corpus`' label, or the `majority` of its annotators
        ties: with `majority`, where two emotions have as many votes: `drop` the utterance, `keep` the corpus' own
            emotion, or take the `first` vote that is for one of the two
        targets: the targets of training: the one emotion (`label`); the shares of the annotators' `votes`; or
            the share of listeners who `recognised` the emotion, the rest of it spread evenly over the other classes
        classes: of several corpora, the emotions that `all` of them have together, or those that each has (`shared`)
    """

    emotion: Literal["corpus", "majority"] = "corpus"
    ties: Literal["drop", "keep", "first"] = "drop"
    targets: Literal["label", "votes", "recognised"] = "label"
    classes: Classes = "all"

    def __post_init__(self) -> None:
        if self.emotion == "majority" and self.targets == "recognised":
            raise ConfigError(
                "labels.targets is recognised, which is the share of listeners who recognised the corpus' own emotion, "
                "but labels.emotion is majority, which may be another: leave one of the two out"
            )


def most_voted(votes: Sequence[str]) -> list[str]:
    """The emotions with the most votes, in the order of their first votes: several are tied."""
    counts = Counter(votes)
    return [emotion for emotion, count in counts.items() if count == max(counts.values())]


def relabel(corpus: Dataset, config: AnnotationConfig) -> tuple[Dataset, list[str]]:
    """The corpus with the emotion that `LabelConfig.emotion` asks for.

    Args:
        corpus: rows with the columns of `data.schema`
        config: whose labels count, and the rule for ties

    Returns:
        The corpus, and notes for the report: how many emotions are others now, how many utterances were tied, and how
        many had no votes and keep their emotion.

    Raises:
        ConfigError: majorities of a corpus without votes
        CorpusError: every utterance is tied, and dropped
    """
    if config.emotion == "corpus":
        return corpus, []
    voted = _votes(corpus, "labels.emotion is majority")
    emotions = corpus["emotion"][:]
    chosen: list[str | None] = []
    tied = 0
    for emotion, votes in zip(emotions, voted, strict=True):
        first = most_voted(votes) if votes else [emotion]
        tied += len(first) > 1
        rule = {"drop": None, "keep": emotion, "first": first[0]}
        chosen.append(first[0] if len(first) == 1 else rule[config.ties])
    rows = [row for row, emotion in enumerate(chosen) if emotion is not None]
    if not rows:
        raise CorpusError(
            f"labels.ties is drop, and the votes on all {len(emotions)} utterances are tied: choose labels.ties keep "
            f"or first"
        )
    other = sum(chosen[row] != emotions[row] for row in rows)
    fate = {"drop": "left out", "keep": "given the corpus' own emotion", "first": "given the first of the tied votes"}
    note = (
        f"emotions are those that most annotators chose: {other} of {len(rows)} utterances have another one than the "
        f"corpus gives; {tied} with tied votes were {fate[config.ties]}"
    )
    bare = sum(not votes for votes in voted)
    note += f"; {bare} without votes keep the corpus' emotion" if bare else ""
    names = [before if after is None else after for before, after in zip(emotions, chosen, strict=True)]
    revoted = corpus.remove_columns("emotion").add_column("emotion", names, feature=corpus.features["emotion"])
    return revoted.select_columns(corpus.column_names).select(rows), [note]


def soft_targets(
    corpus: Dataset, labels: Sequence[str], config: AnnotationConfig
) -> tuple[np.ndarray | None, list[str]]:
    """Soft targets of training, where they are more than one emotion.

    Args:
        corpus: the training part; it has no emotion that isn't a class
        labels: the C classes
        config: whether votes or recognition rates are asked for

    Returns:
        Probabilities (n, C), float32, of rows that sum to 1; None where the one emotion is the target. And a note: how
        many utterances have no votes and keep their emotion as the target, and how many votes were for emotions that
        are no classes and don't count.

    Raises:
        ConfigError: the corpus has no votes, or no recognition rates
    """
    if config.targets == "label":
        return None, []
    class_index = {label: number for number, label in enumerate(labels)}
    one_hot = np.eye(len(labels), dtype=np.float32)[[class_index[emotion] for emotion in corpus["emotion"][:]]]
    if config.targets == "recognised":
        return _recognition_targets(_column(corpus, "recognised", "labels.targets is recognised"), one_hot)
    return _vote_shares(_votes(corpus, "labels.targets is votes"), class_index, one_hot)


def _recognition_targets(rates: Sequence[float | None], one_hot: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """The distribution of the highest entropy that has the rate on the emotion."""
    rate_column = np.array([1.0 if rate is None else rate for rate in rates], dtype=np.float32)[:, None]
    others = one_hot.shape[1] - 1
    bare = sum(rate is None for rate in rates)
    note = "training targets are listeners' recognition rates, what they lack of 1 spread evenly over the other classes"
    note += f"; {bare} utterances without a rate keep their emotion alone" if bare else ""
    return (np.where(one_hot > 0, rate_column, (1.0 - rate_column) / others) if others else one_hot).astype(
        np.float32
    ), [note]


def _vote_shares(
    voted: list[list[str]], class_index: dict[str, int], one_hot: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """The shares of the votes; the emotion alone where there are none for a class."""
    counts = np.zeros_like(one_hot)
    for row, votes in enumerate(voted):
        for vote in votes:
            if vote in class_index:
                counts[row, class_index[vote]] += 1
    totals = counts.sum(axis=1, keepdims=True)
    bare, strange = int((totals == 0).sum()), sum(map(len, voted)) - int(totals.sum())
    mean = totals.sum() / max(1, len(voted) - bare)
    note = f"training targets are the shares of the annotators' votes, {mean:.1f} on an utterance"
    note += f"; {bare} utterances without votes for a class keep their emotion alone" if bare else ""
    note += f"; {strange} votes for emotions that are no classes don't count" if strange else ""
    return np.where(totals > 0, counts / np.maximum(totals, 1), one_hot).astype(np.float32), [note]


def _votes(corpus: Dataset, asked: str) -> list[list[str]]:
    return [list(votes or ()) for votes in _column(corpus, "votes", asked)]


def _column(corpus: Dataset, name: str, asked: str) -> list[Any]:
    values = corpus[name][:] if name in corpus.column_names else []
    if not any(value is not None for value in values):
        raise ConfigError(
            f"{asked}, but no utterance of {', '.join(sorted(set(corpus['corpus'][:])))} has {name}: leave the option "
            f"out, or give the data a column {name}"
        )
    return values
