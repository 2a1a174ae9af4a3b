"""Several annotators: whose label counts, what becomes of ties, and what training is drawn to."""

from collections import Counter

import numpy as np
import pytest

from ser_tl.corpora import load_corpus
from ser_tl.data.votes import AnnotationConfig, most_voted, relabel, soft_targets
from ser_tl.errors import ConfigError, CorpusError

LABELS = ["anger", "fear", "neutral"]
ROWS = [
    ("anger", ["anger", "anger", "fear"]),
    ("anger", ["fear", "fear", "anger"]),  # against the corpus
    ("neutral", ["fear", "anger"]),  # tied, the corpus' own not among them
    ("fear", None),
    ("neutral", ["boredom", "neutral", "boredom", "neutral", "neutral"]),
]


@pytest.fixture
def voted(corpus_of):
    def make(rows=ROWS, **columns):
        pairs = [(f"s{place}", emotion) for place, (emotion, _) in enumerate(rows)]
        return corpus_of(pairs, votes=[votes for _, votes in rows], **columns)

    return make


def test_leaders_are_in_the_order_of_their_first_votes():
    assert most_voted(["b", "a", "a", "b", "c"]) == ["b", "a"]
    assert most_voted(["c"]) == ["c"]


def test_by_default_the_corpus_is_as_it_was(voted):
    corpus = voted()
    assert relabel(corpus, AnnotationConfig()) == (corpus, [])
    assert soft_targets(corpus, LABELS, AnnotationConfig()) == (None, [])


@pytest.mark.parametrize(
    ("ties", "expected", "fate"),
    [
        ("drop", ["anger", "fear", "fear", "neutral"], "1 with tied votes were left out"),
        ("keep", ["anger", "fear", "neutral", "fear", "neutral"], "given the corpus' own emotion"),
        ("first", ["anger", "fear", "fear", "fear", "neutral"], "given the first of the tied votes"),
    ],
)
def test_the_majority_counts_and_every_tie_has_its_rule_and_is_told(voted, ties, expected, fate):
    corpus = voted()
    found, (note,) = relabel(corpus, AnnotationConfig("majority", ties))
    assert list(found["emotion"]) == expected
    assert found.features == corpus.features
    kept = [row for row in corpus if ties != "drop" or row["id"] != "u2"]
    assert [row | {"emotion": ""} for row in found] == [row | {"emotion": ""} for row in kept]
    changed = sum(after != row["emotion"] for after, row in zip(expected, kept, strict=True))
    assert f"{changed} of {len(kept)} utterances have another one" in note
    assert fate in note
    assert "1 without votes keep the corpus' emotion" in note


def test_a_corpus_of_ties_alone_is_not_dropped_whole(voted):
    with pytest.raises(CorpusError, match=r"all 1 utterances are tied: choose labels.ties keep"):
        relabel(voted(ROWS[2:3]), AnnotationConfig("majority"))


def test_targets_are_the_shares_of_votes_for_classes(voted):
    targets, (note,) = soft_targets(voted(), LABELS, AnnotationConfig(targets="votes"))
    assert targets.dtype == np.float32
    expected = [[2 / 3, 1 / 3, 0], [1 / 3, 2 / 3, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]
    assert targets.tolist() == pytest.approx(np.array(expected), abs=1e-6)
    assert note == (
        "training targets are the shares of the annotators' votes, 2.8 on an utterance; 1 utterances without votes for "
        "a class keep their emotion alone; 2 votes for emotions that are no classes don't count"
    )


def test_recognition_rates_leave_the_rest_to_the_other_classes_alike(voted):
    corpus = voted(recognised=[0.8, 1.0, None, 0.0, 0.5])
    targets, (note,) = soft_targets(corpus, LABELS, AnnotationConfig(targets="recognised"))
    expected = [[0.8, 0.1, 0.1], [1, 0, 0], [0, 0, 1], [0.5, 0, 0.5], [0.25, 0.25, 0.5]]
    assert targets.tolist() == pytest.approx(np.array(expected), abs=1e-6)
    assert "1 utterances without a rate keep their emotion alone" in note
    alone, _ = soft_targets(corpus.select([0]), ["anger"], AnnotationConfig(targets="recognised"))
    assert alone.tolist() == [[1.0]]


@pytest.mark.parametrize(
    ("make", "asked", "name"),
    [
        (lambda corpus, asked: relabel(corpus, asked), AnnotationConfig("majority"), "votes"),
        (lambda corpus, asked: soft_targets(corpus, LABELS, asked), AnnotationConfig(targets="votes"), "votes"),
        (
            lambda corpus, asked: soft_targets(corpus, LABELS, asked),
            AnnotationConfig(targets="recognised"),
            "recognised",
        ),
    ],
)
def test_votes_that_nobody_gave_are_an_error_with_the_way_out(corpus_of, make, asked, name):
    with pytest.raises(ConfigError, match=rf"no utterance of c has {name}: leave the option out, or give the data"):
        make(corpus_of([("s1", "anger")]), asked)


def test_rates_are_of_the_corpus_own_emotion():
    with pytest.raises(ConfigError, match=r"labels\.emotion is majority, which may be another: leave one"):
        AnnotationConfig("majority", targets="recognised")


@pytest.mark.slow
def test_emotale_by_its_three_annotators(shared):
    corpus = load_corpus("emotale", shared("corpora/emotale"))
    found, (note,) = relabel(corpus, AnnotationConfig("majority"))
    assert len(found) == 749
    assert "113 of 749 utterances have another one than the corpus gives; 51 with tied votes were left out" in note
    targets, _ = soft_targets(corpus, sorted(set(corpus["emotion"])), AnnotationConfig(targets="votes"))
    assert Counter(np.round(targets.max(axis=1), 3).tolist()) == {
        1.0: 465,
        np.float32(0.667).round(3).item(): 284,
        np.float32(0.333).round(3).item(): 51,
    }
    assert targets.sum(axis=1) == pytest.approx(np.ones(800))
