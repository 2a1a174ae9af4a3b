"""Folders named after emotions, and who speaks in them."""

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.speakers import UNKNOWN
from ser_tl.data.splits import make_splits
from ser_tl.errors import CorpusError, SplitError

SPEAKERS_FIRST = [f"{who}/{word}/{n}.wav" for who in ("anna", "ben") for word in ("angry", "Sad") for n in (1, 2)]
EMOTIONS_FIRST = [f"{word}/{who}/{n}.wav" for who in ("anna", "ben") for word in ("angry", "Sad") for n in (1, 2)]
FLAT = [f"{word}/{who}_{n}.wav" for who in ("anna", "ben") for word in ("angry", "Sad") for n in (1, 2)]


@pytest.mark.parametrize("names", [SPEAKERS_FIRST, EMOTIONS_FIRST, FLAT], ids=["speakers", "emotions", "flat"])
def test_each_layout_gives_the_same_speakers_and_emotions(tree, names):
    corpus = load_corpus("folder", tree(names))
    assert sorted(corpus["id"]) == sorted(name.removesuffix(".wav") for name in names)
    for row in corpus:
        assert row["emotion"] == ("anger" if "angry" in row["id"] else "sadness")
        assert row["speaker"] == ("anna" if "anna" in row["id"] else "ben")
        assert row["audio"]["path"].endswith(f"corpus/{row['id']}.wav")
    assert set(corpus["corpus"]) == {"corpus"}
    assert set(corpus["language"]) == {"und"}


def test_renamed_folders_are_emotions(tree):
    root = tree(["ala/zlosc/1.wav", "ala/smutek/1.wav", "ola/zlosc/1.wav"])
    with pytest.raises(CorpusError, match=r"neither level of folders.*emotions.rename") as error:
        load_corpus("folder", root)
    assert "ala, ola" in str(error.value)
    assert "smutek, zlosc" in str(error.value)
    mapping = EmotionMap(rename={"zlosc": "anger", "smutek": "sadness"})
    assert set(load_corpus("folder", root, emotions=mapping)["speaker"]) == {"ala", "ola"}


def test_an_unknown_emotion_among_folders_is_listed(tree):
    with pytest.raises(CorpusError, match=r"1 unknown emotions.*emotions.rename '{\"hangry\": anger}'"):
        load_corpus("folder", tree(["angry/a_1.wav", "hangry/b_1.wav"]))


def test_speakers_called_like_emotions_are_ambiguous(tree):
    with pytest.raises(CorpusError, match=r"both levels of folders are emotions \(joy; angry, sad\).*manifest"):
        load_corpus("folder", tree(["joy/angry/1.wav", "joy/sad/1.wav"]))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["angry/1.wav", "sad/a_1.wav"], r"1 of 2 files don't name the speaker.*\n  angry/1.wav"),
        (["angry/_1.wav", "sad/a_1.wav"], r"1 of 2 files don't name the speaker"),
    ],
)
def test_files_that_dont_tell_the_speaker_beside_others_that_do_are_listed(tree, names, message):
    with pytest.raises(CorpusError, match=f"(?s){message}") as error:
        load_corpus("folder", tree(names))
    assert "a CSV file with the columns path, emotion and speaker, read with `corpus` csv" in str(error.value)


def both(pattern, *words):
    """Four files in each of two folders of emotions."""
    words = words or ("angry", "sad")
    return [pattern.format(word=word, n=n, part=n % 2) for word in words for n in range(1, 5)]


@pytest.mark.parametrize(
    "names",
    [
        both("{word}/{word}_00{n}.wav"),
        [f"angry/ANG_{n}.wav" for n in (1, 2)] + [f"sad/sadness_{n}.wav" for n in (1, 2)],
        [f"angry/anger_{n}.wav" for n in (1, 2)] + [f"sad/{who}_{n}.wav" for n in (1, 2) for who in ("anna", "ben")],
        [f"angry/wut_{n}.wav" for n in (1, 2)] + [f"sad/trauer_{n}.wav" for n in (1, 2)],
        [f"angry/rec{n % 2}_{n}.wav" for n in range(4)] + [f"sad/take{n % 2}_{n}.wav" for n in range(4)],
        [f"angry/wut/{n}.wav" for n in (1, 2)] + [f"sad/trauer/{n}.wav" for n in (1, 2)],
        both("{word}/clip_{n}.wav"),
        both("{word}/{n}_{word}.wav"),
        both("{word}/{n}.wav"),
        both("{word}/_{n}.wav"),
        both("train/{word}/{n}.wav"),
        both("train/{word}/{n}.wav") + both("Test/{word}/{n}.wav"),
    ],
    ids=lambda names: " ".join(names[::3]),
)
def test_what_is_in_the_speakers_place_and_no_person_is_no_speaker(tree, names):
    corpus = load_corpus("folder", tree(names))
    assert set(corpus["speaker"]) == {UNKNOWN}
    assert len(corpus) == len(names)
    for protocol in ("holdout", "loso", "kfold"):
        with pytest.raises(SplitError, match=r"the speaker is unknown \(a class folder.*`protocol` clips does without"):
            make_splits(corpus, protocol)


def test_a_person_may_be_called_like_an_emotion(tree):
    names = [f"{word}/{who}_{n}.wav" for word in ("angry", "joy") for who in ("Joy", "ben") for n in (1, 2)]
    assert set(load_corpus("folder", tree(names))["speaker"]) == {"Joy", "ben"}


@pytest.mark.parametrize(
    "names", [["angry/a_1.wav", "angry/b/1.wav"], ["a/angry/x/1.wav", "b/angry/x/1.wav"], ["a_1.wav", "b_1.wav"]]
)
def test_folders_of_another_depth_are_shown(tree, names):
    with pytest.raises(
        CorpusError, match=r"all files alike. Move them so, or name the speakers in a manifest"
    ) as error:
        load_corpus("folder", tree(names))
    assert "files like" in str(error.value)


def test_the_same_recording_in_two_encodings_is_refused(tree):
    with pytest.raises(CorpusError, match="stand on several utterances"):
        load_corpus("folder", tree([*FLAT, "angry/anna_1.flac"]))
