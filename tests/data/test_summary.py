"""A corpus in figures."""

import pytest

from ser_tl.data.summary import Share, Summary


def test_a_summary_counts_utterances_seconds_and_speakers_of_each_emotion(corpus_of):
    pairs = [("s1", "fear"), ("s1", "anger"), ("s2", "anger"), ("s1", "anger")]
    corpus = corpus_of(pairs, recognised=[None, 0.8, 0.6, None], votes=[["fear", "anger"], None, None, None])
    found = Summary.from_corpus(corpus)
    assert list(found.emotions) == ["anger", "fear"]
    anger, fear = found.emotions.values()
    assert (anger.utterances, anger.speakers, anger.recognised) == (3, 2, pytest.approx(0.7))
    assert fear == Share(1, pytest.approx(0.05), 1, None)
    assert (found.total.utterances, found.total.speakers, found.total.seconds) == (4, 2, pytest.approx(0.2))
    assert found.languages == {"en": 4}
    assert (found.agreement.utterances, found.agreement.tied) == (1, 1.0)


def test_parts_of_files_count_for_their_own_length(corpus_of):
    found = Summary.from_corpus(corpus_of([("s1", "fear")], start=[0.01], end=[0.03]))
    assert found.total.seconds == pytest.approx(0.02)
    assert (found.total.recognised, found.agreement) == (None, None)
