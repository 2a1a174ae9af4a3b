"""Several corpora as one: names stay apart, and what is renamed or left out is said."""

from collections import Counter

import pytest
from datasets import concatenate_datasets

from ser_tl.data.checks import check_audio
from ser_tl.data.combination import combine_corpora, refuse_shared_audio, select_classes
from ser_tl.data.schema import SYNTHETIC
from ser_tl.data.speaker_groups import deal_speakers, draw_by_corpus
from ser_tl.data.splits import SplitConfig, make_splits
from ser_tl.errors import CorpusError, SplitError

pytestmark = pytest.mark.slow

FEELINGS = ["anger", "fear", "neutral"]


@pytest.fixture
def make(corpus_of):
    """Makes a corpus of a name: speakers with these emotions each, and ids of its own."""

    def build(name, speakers, emotions=FEELINGS, *, prefix=None, offset=0, **columns):
        pairs = [(speaker, emotion) for speaker in speakers for emotion in emotions]
        corpus = corpus_of([("x", "anger")] * offset + pairs)  # recordings that no other corpus has
        corpus = corpus.select(range(offset, offset + len(pairs)))
        prefix = name if prefix is None else prefix
        values = {"corpus": [name] * len(pairs), "id": [f"{prefix}{number}" for number in range(len(pairs))], **columns}
        for column, column_values in values.items():
            corpus = corpus.remove_columns(column) if column in corpus.column_names else corpus
            corpus = corpus.add_column(column, column_values)
        return corpus

    return build


def test_rows_of_all_come_with_the_columns_of_any(make):
    first, second = make("one", "ab"), make("two", "cd", offset=6, sex=["female"] * 3 + ["male"] * 3)
    whole, notes = combine_corpora([first, second])
    assert Counter(whole["corpus"]) == {"one": 6, "two": 6}
    assert whole["sex"][:] == [None] * 6 + ["female"] * 3 + ["male"] * 3
    assert whole["audio"][:] == first["audio"][:] + second["audio"][:]
    assert notes == ["Several corpora: one (6 utterances, 2 speakers), two (6 utterances, 2 speakers)."]


def test_people_of_one_name_are_two_people_and_the_report_says_so(make):
    whole, notes = combine_corpora([make("one", ["a", "01"]), make("two", ["1", "c"], offset=6)])
    assert set(whole["speaker"]) == {"a", "c", "one_01", "two_1"}  # 01 and 1 might be one person
    assert notes[1].startswith("2 speakers of one name in two corpora, taken for different people,")
    assert "01, 1" in notes[1]
    assert "Of the same people give all rows one value in a column `corpus`" in notes[1]
    same, notes = combine_corpora([make("one", ["a", "01"]), make("one", ["01", "c"], offset=6, prefix="v")])
    assert set(same["speaker"]) == {"a", "01", "c"}  # as the note has it
    assert len(notes) == 1


def test_ids_sessions_and_sentences_stay_apart_too(make):
    columns = {"session": ["1"] * 6, "sentence": ["s1", "s2"] * 3}
    first = make("one", "ab", prefix="u", **columns)
    second = make("two", "cd", prefix="u", offset=6, **columns)
    whole, notes = combine_corpora([first, second])
    assert len(set(whole["id"])) == 12
    assert set(whole["session"]) == {"one_1", "two_1"}
    assert set(whole["sentence"]) == {"one_s1", "one_s2", "two_s1", "two_s2"}
    assert sum("of one name in two corpora" in note for note in notes) == 3


def test_speakers_whom_nobody_knows_and_synthetic_ones_keep_their_names(make):
    whole, _ = combine_corpora([make("one", ["unknown", SYNTHETIC]), make("two", ["unknown", SYNTHETIC], offset=6)])
    assert set(whole["speaker"]) == {"unknown", SYNTHETIC}


def test_two_parts_of_one_corpus_have_the_same_people(make):
    first, second = make("one", "ab", prefix="p"), make("one", "ab", prefix="q", offset=6)
    whole, notes = combine_corpora([first, second])
    assert set(whole["speaker"]) == {"a", "b"}
    assert len(notes) == 1


def test_one_corpus_given_twice_is_refused(make):
    corpus = make("one", "ab")
    with pytest.raises(CorpusError, match=r"the corpus one is given twice: 6 of its utterances.*once\n  one0"):
        combine_corpora([corpus, make("two", "c", offset=6), corpus])


def test_names_that_meet_even_with_the_corpus_in_front_are_refused(make):
    with pytest.raises(CorpusError, match="have one name even with the corpus' in front"):
        combine_corpora([make("one", ["a"]), make("two", ["a", "one_a"], offset=3)])


def test_shared_emotions_alone_and_what_that_leaves_out(make):
    whole, _ = combine_corpora([make("one", "ab"), make("two", "cd", ["anger", "calm", "fear"], offset=6)])
    shared, notes = select_classes(whole, "shared")
    assert set(shared["emotion"]) == {"anger", "fear"}
    assert "4 utterances are left out, of calm (two); neutral (one)." in notes[0]
    everything, notes = select_classes(whole, "all")
    assert len(everything) == len(whole)
    assert "Emotions of all corpora: anger, fear; of some alone: calm (two); neutral (one)" in notes[0]


def test_corpora_without_shared_emotions_are_refused(make):
    apart, _ = combine_corpora([make("one", "ab", ["anger", "fear"]), make("two", "cd", ["calm", "neutral"], offset=4)])
    with pytest.raises(CorpusError, match=r"share 0 emotions.*emotions.rename.*\n  one: anger, fear\n  two: calm"):
        select_classes(apart, "shared")
    with pytest.raises(CorpusError, match="no emotion of one is in another"):
        select_classes(apart, "all")


def test_one_corpus_is_left_as_it_is(make):
    corpus = make("one", "ab")
    assert select_classes(corpus, "shared") == (corpus, [])


def test_the_same_recording_in_two_corpora_is_refused(make):
    first, second = make("one", "ab"), make("two", "cd", offset=3)  # three recordings are in both
    whole, _ = check_audio(combine_corpora([first, second])[0])
    with pytest.raises(CorpusError, match=r"3 recordings are in two of the corpora[\s\S]*one3 \(one\) = two0 \(two\)"):
        refuse_shared_audio(whole)
    refuse_shared_audio(check_audio(combine_corpora([first, make("two", "cd", offset=6)])[0])[0])


@pytest.fixture
def three(make):
    """Three corpora of six, four and two speakers."""
    parts = [make("one", "abcdef"), make("two", "ghij", offset=18), make("three", "kl", offset=30)]
    return combine_corpora(parts)[0]


@pytest.mark.parametrize("seed", range(4))
def test_each_corpus_gives_its_share_of_dev_and_test_speakers(three, seed):
    (split,) = make_splits(three, "holdout", seed=seed)
    for part in (split.train, split.test):
        assert set(part["corpus"]) == {"one", "two", "three"}
    assert set(split.dev["corpus"]) == {"one", "two"}  # three has one speaker left, who is trained on


def test_folds_test_the_same_speakers_with_and_without_others_beside_them(three):
    alone = three.filter(lambda name: name == "one", input_columns="corpus")
    config = SplitConfig(k=3)
    for together, single in zip(make_splits(three, "kfold", config), make_splits(alone, "kfold", config), strict=True):
        assert set(together.test["speaker"]) & set(alone["speaker"]) == set(single.test["speaker"])


def test_no_fold_is_empty_where_corpora_are_small(make):
    corpus = combine_corpora([make("one", "ab"), make("two", "cd", offset=6)])[0]
    folds = deal_speakers(corpus, 4, 0)
    assert sorted(map(len, folds)) == [1, 1, 1, 1]
    assert set().union(*folds) == set("abcd")


def test_corpora_of_one_speaker_each_still_give_a_share(make):
    corpus = combine_corpora([make(name, name, offset=3 * number) for number, name in enumerate("abcd")])[0]
    assert len(draw_by_corpus(corpus, list("abcd"), 0.25, 0, "split.dev=0.25")) == 1


def test_each_corpus_is_left_out_in_turn_and_dev_comes_from_the_others(three):
    splits = make_splits(three, "loco")
    assert [split.name for split in splits] == ["one", "three", "two"]
    for split in splits:
        assert set(split.test["corpus"]) == {split.name}
        assert split.name not in {*split.train["corpus"], *split.dev["corpus"]}
    assert set(splits[0].dev["corpus"]) == {"two", "three"}
    assert [split.name for split in make_splits(three, "loco", SplitConfig(only=["two"]))] == ["two"]


def test_leaving_out_the_only_corpus_is_refused(make):
    with pytest.raises(SplitError, match="there is only one: name two or more"):
        make_splits(make("one", "abc"), "loco")


def test_an_emotion_of_one_corpus_alone_is_refused_with_the_way_out(make):
    whole, _ = combine_corpora([make("one", "ab"), make("two", "cd", [*FEELINGS, "calm"], offset=6)])
    with pytest.raises(SplitError, match=r"calm \(two\).*labels.classes shared.*emotions.drop '\[calm\]'"):
        make_splits(whole, "loco")
    assert len(make_splits(select_classes(whole, "shared")[0], "loco")) == 2


def test_a_speaker_of_two_corpora_is_refused(make):
    both = concatenate_datasets([make("one", "ab"), make("two", "bc", offset=6)])
    with pytest.raises(SplitError, match=r"1 speakers are in two corpora[\s\S]*b: one, two"):
        make_splits(both, "loco")
