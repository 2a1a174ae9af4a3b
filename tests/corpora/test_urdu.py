"""URDU, on the published list of names."""

from collections import Counter

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.errors import CorpusError

PUBLISHED = {  # utterances of each speaker, in the order of their numbers in the repository
    "Angry": {"SM1": 22, "SM2": 28, "SM3": 2, "SM4": 48},
    "Happy": {
        **{"SF1": 12, "SF2": 2, "SF3": 2, "SF4": 4, "SF5": 4, "SF6": 14, "SF7": 6, "SF8": 2},
        **{"SM17": 2, "SM18": 2, "SM19": 2, "SM3": 2, "SM5": 8, "SM6": 10, "SM7": 28},
    },
    "Neutral": {"SF9": 4, "SM20": 10, "SM21": 4, "SM22": 2, "SM3": 8, "SM5": 72},
    "Sad": {"SF10": 2, "SF11": 4, "SM23": 6, "SM24": 38, "SM25": 40, "SM26": 2, "SM27": 4, "SM6": 4},
}


def published():
    for folder, speakers in PUBLISHED.items():
        turns = [(who, turn) for who, count in speakers.items() for turn in range(1, count + 1)]
        yield from (f"{folder}/{who}_F{turn}_{folder[0]}0{n}.wav" for n, (who, turn) in enumerate(turns, 1))


def test_the_published_names_give_the_published_counts(tmp_path):
    names = list(published())
    assert {"Angry/SM1_F4_A04.wav", "Angry/SM4_F48_A0100.wav", "Sad/SM6_F4_S0100.wav"} <= set(names)
    for name in names:  # empty files: readers never open audio
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    corpus = load_corpus("urdu", tmp_path)
    assert Counter(corpus["emotion"]) == dict.fromkeys(["anger", "happiness", "neutral", "sadness"], 100)
    assert len(set(corpus["speaker"])) == 29
    voices = Counter(speaker for speaker, _ in set(zip(corpus["speaker"], corpus["emotion"], strict=True)))
    several = {speaker for speaker, emotions in voices.items() if emotions > 1}
    assert several == {"urdu_SM3", "urdu_SM5", "urdu_SM6"}
    assert set(corpus["language"]) == {"ur"}


def test_folders_of_speakers_within_an_emotion_are_fine(tree):
    corpus = load_corpus("urdu", tree(["Angry/SM1/SM1_F1_A01.wav", "sad/SF10/SF10_F1_S01.wav"]))
    assert dict(zip(corpus["id"], corpus["emotion"], strict=True)) == {"SM1_F1_A01": "anger", "SF10_F1_S01": "sadness"}


@pytest.mark.parametrize("name", ["SM1_F1_X01", "SX1_F1_A01", "SM1_F1_A", "SM1_A01"])
def test_names_of_another_form_are_listed(tree, name):
    with pytest.raises(CorpusError, match="1 of 2 audio files aren't named by the corpus' rule") as error:
        load_corpus("urdu", tree(["Angry/SM1_F1_A01.wav", f"Angry/{name}.wav"]))
    assert f"{name}.wav" in str(error.value)


def test_a_file_in_another_emotions_folder_is_refused(tree):
    root = tree(["Angry/SM1_F1_A01.wav", "Sad/SM1_F2_A02.wav", "extra/SM1_F3_A03.wav"])
    with pytest.raises(CorpusError, match=r"1 files are named for another emotion than their folder; restore.*\n  Sad"):
        load_corpus("urdu", root)
