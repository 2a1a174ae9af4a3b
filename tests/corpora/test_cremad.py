"""CREMA-D's names, its votes by listeners of the voice, and its known faults."""

from collections import Counter
from pathlib import Path

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.errors import CorpusError

CODES = ["ANG", "DIS", "FEA", "HAP", "NEU", "SAD"]
EMOTIONS = ["anger", "disgust", "fear", "happiness", "neutral", "sadness"]
HEADER = '"","A","D","F","H","N","S","fileName","numResponses"'


def write_votes(folder: Path, *lines: str) -> None:
    table = folder / "processedResults" / "tabulatedVotes.csv"
    table.parent.mkdir(parents=True)
    table.write_text("\n".join([HEADER, *lines]))


def test_codes_are_the_six_emotions(stubs):
    corpus = load_corpus("cremad", stubs(f"1091_DFA_{code}_XX.wav" for code in CODES))
    assert corpus["id"] == [f"1091_DFA_{code}_XX" for code in CODES]
    assert corpus["emotion"] == EMOTIONS
    assert set(corpus["speaker"]) == {"cremad_1091"}
    assert set(corpus["language"]) == {"en"}
    assert "votes" not in corpus.column_names


@pytest.mark.parametrize("place", [".", "AudioWAV"])
def test_votes_are_those_of_the_voice(stubs, place):
    names = ("1001_IEO_ANG_MD", "1001_IEO_SAD_LO", "1076_MTI_NEU_XX")
    root = stubs(f"AudioWAV/{name}.wav" for name in names)
    write_votes(
        root,
        '"100009",2,1,0,0,1,0,"1001_IEO_ANG_MD",4',
        '"106191",0,0,0,0,9,0,"1076_MTI_NEU_XX",9',  # of a silent MP3
        '"107443",8,0,0,0,0,0,"ANG_HI_practice",8',
        '"200009",9,0,0,0,0,0,"1001_IEO_ANG_MD",9',
        '"300005",0,0,0,0,0,9,"1001_IEO_SAD_LO",9',
    )
    corpus = load_corpus("cremad", root / place, emotions=EmotionMap(rename={"DIS": "contempt"}))
    assert corpus["id"] == list(names)
    assert corpus["votes"] == [["anger", "anger", "contempt", "neutral"], None, None]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('"100009",x,1,0,0,1,0,"1001_IEO_ANG_MD",4', "line 2: A is 'x', expected a number"),
        ('"1",2,1,0,0,1,0,"1001_IEO_ANG_MD",4', "line 2: '1' isn't a row's number"),
    ],
)
def test_a_broken_table_of_votes_is_refused(stubs, line, message):
    root = stubs(["AudioWAV/1001_IEO_ANG_MD.wav"])
    write_votes(root, line)
    with pytest.raises(CorpusError, match=f"(?s)restore the file from the repository.*{message}"):
        load_corpus("cremad", root)


def test_of_a_whole_checkout_only_the_wav_files_are_read(stubs):
    root = stubs(["AudioWAV/1001_DFA_ANG_XX.wav", "AudioMP3/1001_DFA_ANG_XX.mp3"])
    corpus = load_corpus("cremad", root)
    assert [Path(row["path"]).name for row in corpus["audio"]] == ["1001_DFA_ANG_XX.wav"]


def test_the_one_name_that_lacks_a_letter_is_read(stubs):
    assert load_corpus("cremad", stubs(["1040_ITH_SAD_X.wav"]))["id"] == ["1040_ITH_SAD_XX"]


@pytest.mark.parametrize(
    "name",
    ["1000_DFA_ANG_XX", "1092_DFA_ANG_XX", "1001_X_ANG_XX", "1001_DFA_SUR_XX", "1001_DFA_ANG", "1041_ITH_SAD_X"],
)
def test_names_of_another_form_are_listed(stubs, name):
    with pytest.raises(CorpusError, match=r"1 of 2 audio files aren't named by the corpus' rule") as error:
        load_corpus("cremad", stubs(["1001_DFA_ANG_XX.wav", f"{name}.wav"]))
    assert f"{name}.wav" in str(error.value)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_the_listed_corpus_has_its_published_counts(stubs, listed):
    corpus = load_corpus("cremad", stubs(listed("cremad")))
    assert Counter(corpus["emotion"]) == dict.fromkeys(EMOTIONS, 1271) | {"neutral": 1087}
    assert len(corpus) == 7442
    assert len(set(corpus["speaker"])) == 91
