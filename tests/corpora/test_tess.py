"""TESS' names, its misspelled actress, and its two speakers."""

from collections import Counter

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.data.splits import SplitConfig, make_splits
from ser_tl.errors import CorpusError

WORDS = ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad")
EMOTIONS = ["anger", "disgust", "fear", "happiness", "neutral", "surprise", "sadness"]


def test_names_tell_actress_and_emotion_in_any_folder(stubs):
    corpus = load_corpus("tess", stubs(f"TESS/YAF_{word}/YAF_germ_{word}.wav" for word in WORDS))
    assert corpus["id"] == [f"YAF_germ_{word}" for word in WORDS]
    assert corpus["emotion"] == EMOTIONS
    assert set(corpus["speaker"]) == {"tess_YAF"}
    assert set(corpus["language"]) == {"en"}


def test_the_misspelled_actress_is_the_older_one(stubs):
    corpus = load_corpus("tess", stubs(["OAF_neutral/OA_bite_neutral.wav", "OAF_neutral/OAF_base_neutral.wav"]))
    assert dict(zip(corpus["id"], corpus["speaker"], strict=True)) == {
        "OAF_bite_neutral": "tess_OAF",
        "OAF_base_neutral": "tess_OAF",
    }


def test_the_archive_within_itself_is_refused(stubs):
    root = stubs(["TESS/OAF_angry/OAF_back_angry.wav", "TESS/TESS/OAF_angry/OAF_back_angry.wav"])
    with pytest.raises(CorpusError, match="1 recordings are there more than once; point `root` at one copy"):
        load_corpus("tess", root)


@pytest.mark.parametrize("name", ["XAF_back_angry", "OAF_back_calm", "OAF_back", "YA_back_sad"])
def test_names_of_another_form_are_listed(stubs, name):
    with pytest.raises(CorpusError, match=r"1 of 2 audio files aren't named by the corpus' rule") as error:
        load_corpus("tess", stubs(["OAF_back_angry.wav", f"{name}.wav"]))
    assert f"{name}.wav" in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["holdout", "loso", "kfold"])
def test_two_speakers_are_a_corpus(stubs, protocol):
    names = [f"{who}_{word}_{how}.wav" for who in ("OAF", "YAF") for word in "abcde" for how in ("sad", "angry")]
    corpus = load_corpus("tess", stubs(names))
    found = make_splits(corpus, protocol, SplitConfig(k=2))
    assert len(found) == {"holdout": 1, "loso": 2, "kfold": 2}[protocol]
    for split in found:
        (tested,), (heard,), (chosen,) = (set(part["speaker"]) for part in (split.test, split.train, split.dev))
        assert heard == chosen != tested
        assert set(split.dev["emotion"]) == set(split.train["emotion"]) == {"sadness", "anger"}
        assert (len(split.train), len(split.dev)) == (8, 2)
        assert split.shared == []
        assert "The epoch was chosen on clips of a speaker that was trained on as well" in split.notes[0]


@pytest.mark.exhaustive
@pytest.mark.slow
def test_the_listed_corpus_has_its_published_counts(stubs, listed):
    corpus = load_corpus("tess", stubs(listed("tess")))
    assert Counter(corpus["emotion"]) == dict.fromkeys(EMOTIONS, 400)
    assert Counter(corpus["speaker"]) == {"tess_OAF": 1400, "tess_YAF": 1400}
