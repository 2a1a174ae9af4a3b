"""CASIA's folders: the number of a sentence alone names nothing."""

from collections import Counter

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.data.folds import emobox_id
from ser_tl.errors import CorpusError

FOLDERS = ["angry", "fear", "happy", "neutral", "sad", "surprise"]
EMOTIONS = ["anger", "fear", "happiness", "neutral", "sadness", "surprise"]
SPEAKERS = ("liuchanhg", "wangzhe", "zhaoquanyin", "zhaozuoxiang")


def test_one_number_is_another_recording_in_each_folder(stubs):
    names = [f"CASIA/{speaker}/{emotion}/201.wav" for speaker in SPEAKERS for emotion in FOLDERS]
    corpus = load_corpus("casia", stubs(names))
    assert corpus["id"] == [f"201-{speaker}-{emotion}" for speaker in SPEAKERS for emotion in FOLDERS]
    assert corpus["emotion"] == EMOTIONS * 4
    assert corpus["speaker"] == [f"casia_{speaker}" for speaker in SPEAKERS for _ in FOLDERS]
    assert all(row["audio"]["path"].endswith(name) for row, name in zip(corpus, names, strict=True))
    assert set(corpus["language"]) == {"zh"}


def test_ids_are_those_of_emobox(stubs):
    record = {"key": "casia-239-wangzhe-neutral", "dataset": "casia", "wav": "downloads/casia/wangzhe/neutral/239.wav"}
    assert load_corpus("casia", stubs(["wangzhe/neutral/239.wav"]))["id"] == [emobox_id(record)]


def test_capitals_make_no_other_speaker(stubs):
    corpus = load_corpus("casia", stubs(["ZhaoZuoxiang/sad/201.wav", "zhaozuoxiang/sad/202.wav"]))
    assert corpus["id"] == ["201-zhaozuoxiang-sad", "202-zhaozuoxiang-sad"]
    assert set(corpus["speaker"]) == {"casia_zhaozuoxiang"}


@pytest.mark.parametrize("name", ["Chang.Liu/sad/301", "wangzhe/calm/201", "wangzhe/201", "wangzhe/sad/notes"])
def test_other_folders_are_listed(stubs, name):
    with pytest.raises(CorpusError, match=r"1 of 2 audio files aren't named by the corpus' rule") as error:
        load_corpus("casia", stubs(["wangzhe/sad/201.wav", f"{name}.wav"]))
    assert f"{name}.wav" in str(error.value)


def test_a_second_copy_is_refused(stubs):
    with pytest.raises(CorpusError, match=r"point `root` at one copy(?s:.*)a/wangzhe/sad/201.wav and b/wangzhe"):
        load_corpus("casia", stubs(["a/wangzhe/sad/201.wav", "b/wangzhe/sad/201.wav"]))


@pytest.mark.slow
def test_the_listed_corpus_has_its_published_counts(stubs, listed):
    corpus = load_corpus("casia", stubs(listed("casia")))
    assert Counter(corpus["emotion"]) == dict.fromkeys(EMOTIONS, 200)
    assert Counter(corpus["speaker"]) == {f"casia_{speaker}": 300 for speaker in SPEAKERS}
    assert len(set(corpus["id"])) == 1200
