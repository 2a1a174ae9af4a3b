"""Folders named after emotions, and who speaks in them."""

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.errors import CorpusError

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
    with pytest.raises(CorpusError, match=r"neither level of folders.*--emotions.rename") as error:
        load_corpus("folder", root)
    assert "ala, ola" in str(error.value)
    assert "smutek, zlosc" in str(error.value)
    mapping = EmotionMap(rename={"zlosc": "anger", "smutek": "sadness"})
    assert set(load_corpus("folder", root, emotions=mapping)["speaker"]) == {"ala", "ola"}


def test_an_unknown_emotion_among_folders_is_listed(tree):
    with pytest.raises(CorpusError, match=r"1 unknown emotions.*--emotions.rename '{\"hangry\": anger}'"):
        load_corpus("folder", tree(["angry/a_1.wav", "hangry/b_1.wav"]))


def test_speakers_called_like_emotions_are_ambiguous(tree):
    with pytest.raises(CorpusError, match=r"both levels of folders are emotions \(joy; angry, sad\).*manifest"):
        load_corpus("folder", tree(["joy/angry/1.wav", "joy/sad/1.wav"]))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["angry/1.wav", "sad/a_1.wav"], r"1 of 2 files don't tell the speaker.*\n  angry/1.wav"),
        (["angry/_1.wav", "sad/a_1.wav"], r"1 of 2 files don't tell the speaker"),
        (["angry/a_1.wav", "sad/b_1.wav"], "names up to the first underscore.*every file a speaker of its own"),
        (["angry/clip_1.wav", "sad/clip_2.wav"], "they give one speaker only.*\n  clip"),
        (["train/angry/1.wav", "train/sad/1.wav"], "told by the folders, but they give one speaker only"),
        (["train/angry/1.wav", "Test/angry/1.wav", "Test/sad/2.wav"], "parts of a split and not speakers"),
    ],
)
def test_without_speakers_the_way_out_is_a_manifest(tree, names, message):
    with pytest.raises(CorpusError, match=f"(?s){message}") as error:
        load_corpus("folder", tree(names))
    assert "a CSV file with the columns path, emotion and speaker, read with --corpus csv" in str(error.value)


@pytest.mark.parametrize(
    "names", [["angry/a_1.wav", "angry/b/1.wav"], ["a/angry/x/1.wav", "b/angry/x/1.wav"], ["a_1.wav", "b_1.wav"]]
)
def test_folders_of_another_depth_are_shown(tree, names):
    with pytest.raises(CorpusError, match=r"all files alike. Move them so, or say who speaks in a manifest") as error:
        load_corpus("folder", tree(names))
    assert "files like" in str(error.value)


def test_the_same_recording_in_two_encodings_is_refused(tree):
    with pytest.raises(CorpusError, match="stand on several utterances"):
        load_corpus("folder", tree([*FLAT, "angry/anna_1.flac"]))
