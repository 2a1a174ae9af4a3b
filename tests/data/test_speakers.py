"""What stands in a speaker column is a person, however it is spelled."""

import unicodedata

import pytest
from datasets import Dataset, Value, concatenate_datasets

from ser_tl.data.schema import build_corpus
from ser_tl.data.speakers import UNKNOWN, find_confusable, names_clips, normalise_speaker
from ser_tl.data.splits import Split, make_splits
from ser_tl.errors import CorpusError, SplitError

NFC = unicodedata.normalize("NFC", "José")
NFD = unicodedata.normalize("NFD", "José")
EMOTIONS = ["anger", "fear"]


def pairs(*speakers):
    return [(speaker, emotion) for speaker in speakers for emotion in EMOTIONS]


@pytest.mark.slow
@pytest.mark.parametrize("spelling", [NFD, f" {NFC}", f"{NFC}\u00a0\n", f"{NFC}\u200b", f"\ufeff{NFC}"])
def test_a_difference_that_nobody_sees_is_none(corpus_of, spelling):
    assert normalise_speaker(spelling) == NFC
    corpus = corpus_of(pairs(NFC, spelling, "b", "c", "d"))
    assert set(corpus["speaker"]) == {NFC, "b", "c", "d"}
    for seed in range(5):
        (split,) = make_splits(corpus, seed=seed)
        tested, others = set(split.test["speaker"]), {*split.train["speaker"], *split.dev["speaker"]}
        assert not tested & others


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("anna", "Anna"),
        ("1", "1.0"),
        ("7", "07"),
        ("S1", "S01"),
        ("spk_3", "spk_3.0"),
        (NFC, "Jose"),
        ("Anna Maria", "Anna_Maria"),
        ("Anna  Maria", "Anna Maria"),
        ("F-01", "F_01"),
        ("Strauß", "STRAUSS"),
        ("\uff21nna", "Anna"),
    ],
)
def test_what_may_be_one_person_is_refused_with_the_pair(corpus_of, one, other):
    with pytest.raises(CorpusError, match="1 speakers stand there in several spellings") as error:
        corpus_of(pairs(one, other, "b", "c"))
    told = str(error.value)
    assert all(repr(name) in told or ascii(name) in told for name in (one, other))


@pytest.mark.parametrize("names", [["1", "11", "10", "100"], ["a_1", "a1", "b_1"], ["1.5", "15"], ["F01", "M01"]])
def test_different_people_stay_apart(names):
    assert find_confusable(names) == []


def test_sessions_are_compared_alike(corpus_of):
    with pytest.raises(CorpusError, match=r"1 sessions stand there in several spellings.*\n  '1' and '1.0'"):
        corpus_of(pairs("a", "b", "c"), session=["1", "1", "1.0", "1.0", "2", "2"])


def renamed(corpus, names):
    """As datasets that never went through `build`."""
    column = Dataset.from_dict({"speaker": names})["speaker"][:]
    return corpus.remove_columns("speaker").add_column("speaker", column, feature=Value("string"))


@pytest.mark.slow
@pytest.mark.parametrize("other", [NFD, "JOSÉ", "Jose"])
def test_a_split_finds_one_person_in_two_parts(corpus_of, other):
    corpus = renamed(corpus_of(pairs("a", "b", "c")), [NFC, NFC, "b", "b", other, other])
    parts = [corpus.select(rows) for rows in ([0, 1], [2, 3], [4, 5])]
    with pytest.raises(SplitError, match="1 speakers of train and test may be one person in two spellings"):
        Split(*parts)
    assert Split(*parts, shared_speakers=True).test["speaker"][0] == other


def test_two_corpora_put_together_are_compared(corpus_of):
    whole = corpus_of(pairs("a", "b", "1", "1b"))
    names = ["1.0" if name == "1b" else name for name in whole["speaker"]]
    both = concatenate_datasets([renamed(whole, names)])
    with pytest.raises(SplitError, match=r"may be one person"):
        [make_splits(both, "loso", seed=seed) for seed in range(3)]


@pytest.mark.parametrize("spelling", ["unknown", "Unknown", "nan", "None", "<NA>", "n/a", "?", " null "])
def test_what_says_that_nobody_knows_is_nobody(spelling):
    assert normalise_speaker(spelling) == UNKNOWN


def test_names_of_clips_are_told_from_names_of_people():
    assert names_clips([f"clip_{number}" for number in range(45)])
    assert names_clips([f"clip_{number // 2 if number < 10 else number}" for number in range(45)])
    assert not names_clips([f"s{number % 10}" for number in range(45)])
    assert not names_clips([f"s{number // 2}" for number in range(45)])
    assert not names_clips(["a", "b", "c"])


def test_a_corpus_of_a_users_own_reader_has_the_same_names(record):
    rows = [
        {"id": str(place), "audio": record(), "emotion": emotion, "speaker": who, "corpus": "c", "language": "en"}
        for place, (emotion, who) in enumerate([("happy", " a"), ("Joy", "a"), ("happiness", "a ")])
    ]
    corpus = build_corpus(rows, source="test")
    assert set(corpus["emotion"]) == {"happiness"}
    assert set(corpus["speaker"]) == {"a"}
