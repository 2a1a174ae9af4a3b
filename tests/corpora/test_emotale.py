"""EmoTale: two languages, enacted emotions, and several annotators."""

from collections import Counter
from pathlib import Path

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.data.emotions import EmotionMap
from ser_tl.errors import CorpusError

HEADER = "file,a1_A,a1_V,a1_D,a1_cat,a2_A,a2_V,a2_D,a2_cat,gt_emotion"
LINES = [
    "DK_001_A_1.wav,4.0,1.5,4.5,A,5.0,2.5,4.5,A,A",
    "EN_001_B_2.wav,2.0,2.0,2.0,B,1.0,3.0,2.5,S,B",
    "DK_003_N_3.wav,3.0,3.0,3.0,N,,,,,N",
]


@pytest.fixture
def emotale(tree):
    """Makes EmoTale with the three clips above, or other lines."""

    def make(*lines: str, names=("DK_001_A_1", "EN_001_B_2", "DK_003_N_3"), header: str = HEADER) -> Path:
        root = tree(f"wav/{name}.wav" for name in names)
        (root / "annotations.csv").write_text("\n".join((header, *(lines or LINES))), "utf-8")
        return root

    return make


def test_the_emotion_is_the_enacted_one_and_the_annotators_vote(emotale):
    corpus = load_corpus("emotale", emotale())
    rows = {row["id"]: row for row in corpus}
    assert [rows[name]["emotion"] for name in ("DK_001_A_1", "EN_001_B_2", "DK_003_N_3")] == [
        "anger", "boredom", "neutral"
    ]  # fmt: skip
    assert rows["EN_001_B_2"]["votes"] == ["boredom", "sadness"]
    assert {name: row["language"] for name, row in rows.items()} == {
        "DK_001_A_1": "da", "EN_001_B_2": "en", "DK_003_N_3": "da"
    }  # fmt: skip
    assert set(corpus["speaker"]) == {"emotale_001", "emotale_003"}


def test_ratings_are_means_of_those_given(emotale):
    rows = {row["id"]: row for row in load_corpus("emotale", emotale())}
    first, alone = rows["DK_001_A_1"], rows["DK_003_N_3"]
    assert (first["arousal"], first["valence"], first["dominance"]) == (4.5, 2.0, 4.5)
    assert (alone["arousal"], alone["votes"]) == (3.0, ["neutral"])


def test_the_users_mapping_reaches_the_votes(emotale):
    corpus = load_corpus(
        "emotale", emotale(), emotions=EmotionMap(merge={"low": ["boredom", "neutral"]}, drop=["sadness"])
    )
    assert {row["id"]: row["votes"] for row in corpus} == {
        "DK_001_A_1": ["anger", "anger"], "EN_001_B_2": ["low"], "DK_003_N_3": ["low"]
    }  # fmt: skip


def test_clips_and_annotations_have_to_belong_together(emotale):
    root = emotale(*LINES[:2])
    with pytest.raises(CorpusError, match=r"1 clips are in one only; restore what is missing\n  DK_003_N_3: no annota"):
        load_corpus("emotale", root)
    root = emotale(*LINES, "EN_003_S_5.wav,1,1,1,S,1,1,1,S,S")
    with pytest.raises(CorpusError, match=r"EN_003_S_5: no audio"):
        load_corpus("emotale", root)


def test_a_label_against_the_name_is_refused(emotale):
    with pytest.raises(CorpusError, match=r"gt_emotion is another emotion .* for 1 clips; restore .*\n  DK_003_N_3"):
        load_corpus("emotale", emotale(*LINES[:2], LINES[2][:-1] + "S"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("DK_003_N_3.wav,3,3,3,X,3,3,3,N,N", "line 4: categories are X, N, expected A, B, H, N, S"),
        ("DK_003_N_3.wav,3,high,3,N,3,3,3,N,N", "line 4: a1_V is 'high', expected a number"),
        (LINES[0], "line 4: DK_001_A_1 stands there twice"),
    ],
)
def test_impossible_annotations_name_their_line(emotale, line, message):
    with pytest.raises(CorpusError, match=f"1 lines are wrong; restore the published table\n  {message}"):
        load_corpus("emotale", emotale(*LINES[:2], line))


def test_a_table_without_annotators_names_the_columns(emotale):
    with pytest.raises(CorpusError, match="a1_cat, a1_A, a1_V, a1_D are missing"):
        load_corpus("emotale", emotale("DK_001_A_1.wav,A", header="file,gt_emotion"))


def test_names_of_another_form_and_a_missing_table_are_refused(emotale, tree):
    with pytest.raises(CorpusError, match="1 of 4 audio files aren't named by the corpus' rule"):
        load_corpus("emotale", emotale(names=("DK_001_A_1", "EN_001_B_2", "DK_003_N_3", "SE_001_A_1")))
    with pytest.raises(CorpusError, match=r"`root` has to be the folder with annotations.csv"):
        load_corpus("emotale", tree(["other/wav/DK_001_A_1.wav"]) / "other" / "wav")


@pytest.mark.slow
def test_the_real_corpus_has_its_published_counts(shared):
    corpus = load_corpus("emotale", shared("corpora/emotale"))
    assert Counter(corpus["emotion"]) == dict.fromkeys(["anger", "boredom", "happiness", "neutral", "sadness"], 160)
    assert Counter(corpus["language"]) == {"da": 450, "en": 350}
    assert len(set(corpus["speaker"])) == 18
    english = {row["speaker"] for row in corpus if row["language"] == "en"}
    assert len(english) == 14
    assert {len(votes) for votes in corpus["votes"]} == {3}
    majorities = [Counter(votes).most_common(1)[0] for votes in corpus["votes"]]
    agree = [count > 1 and label == own for (label, count), own in zip(majorities, corpus["emotion"], strict=True)]
    assert sum(agree) == 636
    assert sum(count == 1 for _, count in majorities) == 51
    for scale in ("arousal", "valence", "dominance"):
        assert 1 <= min(corpus[scale]) < max(corpus[scale]) <= 5
