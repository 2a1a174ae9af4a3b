"""Krippendorff's alpha, on his own example and against its definition."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_tl.corpora import load_corpus
from ser_tl.data.agreement import krippendorff_alpha, measure_agreement


def test_alpha_of_krippendorffs_own_example():
    """Krippendorff 2011, section C: four observers, twelve units, gaps."""
    rows = ["123321412...", "1233224125.3", ".3332342251.", "12332441251."]
    units = [[row[place] for row in rows if row[place] != "."] for place in range(12)]
    assert krippendorff_alpha(units) == pytest.approx(0.743, abs=5e-4)


votes = st.lists(st.lists(st.sampled_from("abc"), max_size=5), max_size=12)


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(votes)
def test_alpha_is_observed_over_expected_disagreement_of_pairs(units):
    paired = [unit for unit in units if len(unit) > 1]
    every = [vote for unit in paired for vote in unit]
    differ = [one != other for one, other in permutations(every, 2)]
    alpha = krippendorff_alpha(units)
    if not any(differ):
        assert alpha is None
        return
    within = [sum(one != other for one, other in permutations(unit, 2)) / (len(unit) - 1) for unit in paired]
    assert alpha == pytest.approx(1 - (sum(within) / len(every)) / (sum(differ) / len(differ)))
    assert alpha <= 1


def test_agreement_counts_what_is_unanimous_tied_and_the_corpus_own(corpus_of):
    given_votes = [["anger"] * 3, ["fear", "anger", "fear"], ["anger", "fear"], ["fear"], None]
    corpus = corpus_of([("s1", "anger")] * 5, votes=given_votes)
    found = measure_agreement(corpus)
    assert (found.utterances, found.votes) == (3, 8 / 3)
    assert (found.unanimous, found.tied, found.corpus_label) == (1 / 3, 1 / 3, 1 / 3)
    assert found.alpha == pytest.approx(krippendorff_alpha(given_votes[:3]))


def test_without_two_votes_there_is_no_agreement(corpus_of):
    assert measure_agreement(corpus_of([("s1", "anger")])) is None
    assert measure_agreement(corpus_of([("s1", "anger")] * 2, votes=[["anger"], None])) is None


def test_one_emotion_alone_leaves_alpha_open(corpus_of):
    found = measure_agreement(corpus_of([("s1", "anger")], votes=[["anger", "anger"]]))
    assert (found.alpha, found.unanimous) == (None, 1.0)


def test_emotales_annotators_agree_well_beyond_chance(shared):
    found = measure_agreement(load_corpus("emotale", shared("corpora/emotale")))
    assert (found.utterances, found.votes, found.corpus_label) == (800, 3.0, 636 / 800)
    assert (found.unanimous, found.tied) == (465 / 800, 51 / 800)
    assert found.alpha == pytest.approx(0.624, abs=5e-4)
