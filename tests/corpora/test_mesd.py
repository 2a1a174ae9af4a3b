"""MESD's names, and its groups of voices as speakers."""

from collections import Counter

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.data.splits import make_splits
from ser_tl.errors import CorpusError

WORDS = ["Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness"]


def test_names_tell_emotion_and_voice_and_words_may_have_spaces(stubs):
    corpus = load_corpus("mesd", stubs(f"MESD/{word}_C_A_basta_ya.wav" for word in WORDS))
    assert corpus["id"] == [f"{word}_C_A_basta_ya" for word in WORDS]
    assert corpus["emotion"] == [word.lower() for word in WORDS]
    assert set(corpus["speaker"]) == {"mesd_C"}
    assert set(corpus["language"]) == {"es"}


@pytest.mark.slow
def test_no_split_divides_a_group_of_voices(stubs):
    names = [f"{word}_{voice}_A_{number}.wav" for word in WORDS for voice in "CFM" for number in range(4)]
    splits = make_splits(load_corpus("mesd", stubs(names)), "loso")
    assert [split.name for split in splits] == ["mesd_C", "mesd_F", "mesd_M"]
    for split in splits:
        parts = [{name.split("_")[1] for name in part["id"]} for part in (split.train, split.dev, split.test)]
        assert [len(voices) for voices in parts] == [1, 1, 1]
        assert set.union(*parts) == set("CFM")


@pytest.mark.parametrize("name", ["Calm_C_A_hoy", "Anger_X_A_hoy", "Anger_C_C_hoy", "Anger_C_A"])
def test_names_of_another_form_are_listed(stubs, name):
    with pytest.raises(CorpusError, match=r"1 of 2 audio files aren't named by the corpus' rule") as error:
        load_corpus("mesd", stubs(["Anger_C_A_hoy.wav", f"{name}.wav"]))
    assert f"{name}.wav" in str(error.value)


@pytest.mark.slow
def test_the_listed_corpus_has_its_published_counts(stubs, listed):
    corpus = load_corpus("mesd", stubs(listed("mesd")))
    assert Counter(corpus["emotion"]) == {
        "anger": 143, "disgust": 144, "fear": 144, "happiness": 144, "neutral": 143, "sadness": 144
    }  # fmt: skip
    assert Counter(corpus["speaker"]) == {"mesd_C": 286, "mesd_F": 288, "mesd_M": 288}
