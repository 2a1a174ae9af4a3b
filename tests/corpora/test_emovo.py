"""EMOVO's Italian codes."""

from collections import Counter

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.errors import CorpusError

CODES = ["dis", "gio", "neu", "pau", "rab", "sor", "tri"]
EMOTIONS = ["disgust", "happiness", "neutral", "fear", "anger", "surprise", "sadness"]


def test_codes_are_the_italian_names(stubs):
    corpus = load_corpus("emovo", stubs(f"EMOVO/m2/{code}-m2-d1.wav" for code in CODES))
    assert corpus["id"] == [f"{code}-m2-d1" for code in CODES]
    assert corpus["emotion"] == EMOTIONS
    assert set(corpus["speaker"]) == {"emovo_m2"}
    assert set(corpus["language"]) == {"it"}


@pytest.mark.parametrize("name", ["cal-f1-b1", "dis-f4-b1", "dis-f1-x1", "dis-f1"])
def test_names_of_another_form_are_listed(stubs, name):
    with pytest.raises(CorpusError, match=r"1 of 2 audio files aren't named by the corpus' rule") as error:
        load_corpus("emovo", stubs(["f1/dis-f1-b1.wav", f"f1/{name}.wav"]))
    assert f"f1/{name}.wav" in str(error.value)


def test_the_listed_corpus_has_its_published_counts(stubs, listed):
    corpus = load_corpus("emovo", stubs(listed("emovo")))
    assert Counter(corpus["emotion"]) == dict.fromkeys(EMOTIONS, 84)
    assert Counter(corpus["speaker"]) == {f"emovo_{sex}{number}": 98 for sex in "fm" for number in (1, 2, 3)}
