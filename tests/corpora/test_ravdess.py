"""RAVDESS' names, folders, and what doesn't belong to its speech."""

from collections import Counter

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.errors import CorpusError

NAMES = [f"03-01-{code:02d}-01-01-02-18" for code in range(1, 9)]


def test_codes_are_the_eight_emotions(tree):
    corpus = load_corpus("ravdess", tree(f"{name}.wav" for name in NAMES))
    assert corpus["id"] == NAMES
    assert corpus["emotion"] == [
        "neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise"
    ]  # fmt: skip
    assert set(corpus["speaker"]) == {"ravdess_18"}
    assert set(corpus["corpus"]) == {"ravdess"}
    assert set(corpus["language"]) == {"en"}


def test_every_audio_format_is_read_in_any_folder_in_one_order(tree):
    suffixes = (".WAV", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
    files = [f"deep/{8 - n}/{name}{suffix}" for n, (name, suffix) in enumerate(zip(NAMES, suffixes, strict=True))]
    corpus = load_corpus("ravdess", tree(files))
    assert corpus["id"] == NAMES
    assert all(row["audio"]["path"].endswith(name) for row, name in zip(corpus, files, strict=True))


def test_song_is_refused_with_the_way_out(tree):
    root = tree(["Actor_01/03-01-05-01-01-01-01.wav", "song/03-02-05-01-01-01-01.wav", "av/01-01-05-01-01-01-02.wav"])
    with pytest.raises(CorpusError, match=r"2 files .* point `root` at the folder Audio_Speech_Actors_01-24") as error:
        load_corpus("ravdess", root)
    assert "song/03-02-05-01-01-01-01.wav" in str(error.value)
    assert "Actor_01" not in str(error.value).split("\n", 1)[1]


@pytest.mark.parametrize("name", ["03-01-09-01-01-01-01", "03-01-05-01-01-01-25", "03-01-05-01-01-01", "notes"])
def test_names_of_another_form_are_listed(tree, name):
    root = tree([f"{NAMES[0]}.wav", f"Actor_01/{name}.wav"])
    with pytest.raises(
        CorpusError, match=r"1 of 2 audio files aren't named by the corpus' rule.*point `root` at"
    ) as error:
        load_corpus("ravdess", root)
    assert f"Actor_01/{name}.wav" in str(error.value)


def test_a_second_copy_is_refused(tree):
    root = tree([f"Actor_18/{NAMES[0]}.wav", f"audio_speech_actors_01-24/Actor_18/{NAMES[0]}.wav"])
    with pytest.raises(CorpusError, match="point `root` at one copy"):
        load_corpus("ravdess", root)


def test_renaming_takes_the_corpus_own_words(tree):
    root = tree(f"{name}.wav" for name in NAMES)
    corpus = load_corpus("ravdess", root, emotions=EmotionMap(rename={"calm": "neutral"}, drop=["surprise"]))
    assert Counter(corpus["emotion"])["neutral"] == 2
    assert len(corpus) == 7


@pytest.mark.slow
def test_the_real_corpus_has_its_published_counts(shared):
    corpus = load_corpus("ravdess", shared("corpora/ravdess"))
    counts = Counter(corpus["emotion"])
    assert len(corpus) == 1440
    assert counts.pop("neutral") == 96
    assert set(counts.values()) == {192}
    assert len(counts) == 7
    assert set(Counter(corpus["speaker"]).values()) == {60}
