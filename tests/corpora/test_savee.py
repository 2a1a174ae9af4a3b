"""SAVEE's letters, and its names in two layouts."""

from collections import Counter

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.errors import CorpusError

LETTERS = ["a", "d", "f", "h", "n", "sa", "su"]
EMOTIONS = ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
SPEAKERS = ("DC", "JE", "JK", "KL")


@pytest.mark.parametrize("layout", ["AudioData/{}/{}01.wav", "ALL/{}_{}01.wav", "{}_{}01.wav", "{}/{}01.wav"])
def test_folders_and_names_tell_the_same(stubs, layout):
    corpus = load_corpus("savee", stubs(layout.format(speaker, letter) for speaker in SPEAKERS for letter in LETTERS))
    assert corpus["id"] == [f"{speaker}_{letter}01" for speaker in SPEAKERS for letter in LETTERS]
    assert corpus["emotion"] == EMOTIONS * 4
    assert corpus["speaker"] == [f"savee_{speaker}" for speaker in SPEAKERS for _ in LETTERS]
    assert set(corpus["language"]) == {"en"}


def test_a_speakers_own_folder_may_be_the_root(stubs):
    corpus = load_corpus("savee", stubs(["DC/a01.wav", "DC/su02.wav"]) / "DC")
    assert corpus["id"] == ["DC_a01", "DC_su02"]


@pytest.mark.parametrize("name", ["DC/s01", "DC/a1", "XY/a01", "a01", "DC_sb01"])
def test_names_of_another_form_are_listed(stubs, name):
    with pytest.raises(CorpusError, match=r"1 of 2 audio files aren't named by the corpus' rule") as error:
        load_corpus("savee", stubs(["JE/a01.wav", f"{name}.wav"]))
    assert f"{name}.wav" in str(error.value)


@pytest.mark.parametrize(
    ("other", "message"),
    [("two/DC/a01.wav", "point `root` at one copy"), ("ALL/DC_a01.wav", "1 ids stand on several utterances")],
)
def test_copies_are_refused_within_a_layout_and_across(stubs, other, message):
    with pytest.raises(CorpusError, match=message):
        load_corpus("savee", stubs(["one/DC/a01.wav", other]))


def test_the_listed_corpus_has_its_published_counts(stubs, listed):
    corpus = load_corpus("savee", stubs(listed("savee")))
    assert Counter(corpus["emotion"]) == dict.fromkeys(EMOTIONS, 60) | {"neutral": 120}
    assert Counter(corpus["speaker"]) == {f"savee_{speaker}": 120 for speaker in SPEAKERS}


def test_the_listed_corpus_is_the_same_in_folders(stubs, listed):
    corpus = load_corpus("savee", stubs(path.replace("_", "/") for path in listed("savee")))
    assert corpus["id"] == [path.removesuffix(".wav") for path in sorted(listed("savee"))]
