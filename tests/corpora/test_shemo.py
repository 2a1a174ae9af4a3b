"""ShEMO's letters, one of which means two things."""

from collections import Counter

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.errors import CorpusError


def test_letters_are_emotions_behind_the_speaker(stubs):
    corpus = load_corpus("shemo", stubs(f"female/F03{letter}02.wav" for letter in "AFHNSW"))
    assert corpus["id"] == [f"F03{letter}02" for letter in "AFHNSW"]
    assert corpus["emotion"] == ["anger", "fear", "happiness", "neutral", "sadness", "surprise"]
    assert set(corpus["speaker"]) == {"shemo_F03"}
    assert set(corpus["language"]) == {"fa"}


def test_the_same_number_of_both_sexes_is_two_speakers(stubs):
    corpus = load_corpus("shemo", stubs(["female/F02F01.wav", "male/M02F01.wav"]))
    assert corpus["speaker"] == ["shemo_F02", "shemo_M02"]
    assert corpus["emotion"] == ["fear", "fear"]


@pytest.mark.parametrize("name", ["F03X02", "X03A02", "F3A02", "F03A"])
def test_names_of_another_form_are_listed(stubs, name):
    with pytest.raises(CorpusError, match=r"1 of 2 audio files aren't named by the corpus' rule") as error:
        load_corpus("shemo", stubs(["F01A01.wav", f"{name}.wav"]))
    assert f"{name}.wav" in str(error.value)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_the_listed_corpus_has_its_counts(stubs, listed):
    corpus = load_corpus("shemo", stubs(listed("shemo")))
    assert Counter(corpus["emotion"]) == {
        "anger": 1034, "fear": 29, "happiness": 198, "neutral": 1018, "sadness": 360, "surprise": 199
    }  # fmt: skip
    speakers = Counter(name.removeprefix("shemo_")[0] for name in set(corpus["speaker"]))
    assert speakers == {"F": 31, "M": 56}
