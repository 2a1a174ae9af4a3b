"""No speaker and no recording in two parts, whatever the protocol and the seed."""

import json
import shutil
from itertools import chain
from pathlib import Path

import pytest
import soundfile
from datasets import concatenate_datasets
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_tl.corpora import load_corpus
from ser_tl.data import splits
from ser_tl.data.checks import check_audio
from ser_tl.data.folds import read_folds
from ser_tl.data.schema import build_corpus
from ser_tl.data.splits import Split, SplitConfig, make_splits
from ser_tl.errors import ConfigError, SplitError

pytestmark = pytest.mark.slow

EMOTIONS = ["anger", "fear", "neutral"]
EVEN = [(speaker, emotion) for speaker in "abcdef" for emotion in EMOTIONS]
SESSIONS = ["2" if speaker in "cd" else "10" if speaker in "ab" else "3" for speaker, _ in EVEN]
PARTS = ("train", "dev", "test")


def speakers(split):
    return {part: set(getattr(split, part)["speaker"]) for part in PARTS}


def groups_of(found):
    return [sorted(speakers(split)["test"]) for split in found]


def folds_csv(folder: Path, *lines: str) -> Path:
    path = folder / "folds.csv"
    path.write_text("\n".join(("id,fold,part", *lines)))
    return path


@pytest.fixture
def even(corpus_of):
    """Six speakers, each with three emotions, in three sessions."""
    return corpus_of(EVEN, session=SESSIONS)


@settings(deadline=None, max_examples=15)
@given(
    missing=st.sets(st.integers(0, len(EVEN) - 1), max_size=7),
    protocol=st.sampled_from(["holdout", "loso", "kfold", "sessions"]),
    seed=st.integers(0, 2**32 - 1),
    config=st.builds(SplitConfig, dev=st.floats(0.05, 0.5), test=st.floats(0.05, 0.5), k=st.integers(2, 6)),
)
def test_no_speaker_is_in_two_parts_whatever_the_seed(corpus_of, missing, protocol, seed, config):
    pairs = [pair for place, pair in enumerate(EVEN) if place not in missing]
    corpus = corpus_of(pairs, session=[str("abcdef".index(speaker) // 2) for speaker, _ in pairs])
    try:
        found = make_splits(corpus, protocol, config, seed=seed)
    except SplitError:
        return
    for split in found:
        parts = speakers(split)
        assert all(parts.values())
        assert sum(map(len, parts.values())) == len(set().union(*parts.values()))
        assert sorted(chain(*split.ids.values())) == sorted(corpus["id"])
        assert {*split.dev["emotion"], *split.test["emotion"]} <= set(split.train["emotion"])
    if protocol != "holdout":
        assert sorted(name for split in found for name in split.test["id"]) == sorted(corpus["id"])


@pytest.mark.exhaustive
@settings(deadline=None, max_examples=8)
@given(
    protocol=st.sampled_from(["holdout", "loso", "kfold", "sessions"]),
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(2, 6),
)
def test_even_corpora_can_always_be_split(corpus_of, protocol, seed, k):
    corpus = corpus_of(EVEN, session=SESSIONS)
    found = make_splits(corpus, protocol, SplitConfig(k=k), seed=seed)
    assert len(found) == {"holdout": 1, "loso": 6, "kfold": k, "sessions": 3}[protocol]
    again = make_splits(corpus.select(range(17, -1, -1)), protocol, SplitConfig(k=k), seed=seed)
    assert [speakers(split) for split in again] == [speakers(split) for split in found]


@pytest.mark.parametrize("protocol", ["holdout", "loso", "kfold", "sessions"])
def test_a_seed_gives_the_same_split_and_another_seed_another(even, protocol):
    def ids(seed):
        return [split.ids for split in make_splits(even, protocol, seed=seed)]

    first = ids(3)
    assert ids(3) == first
    assert any(ids(seed) != first for seed in range(4, 10))


def test_holdout_takes_the_shares_of_the_speakers(corpus_of):
    corpus = corpus_of([(speaker, emotion) for speaker in "abcdefghij" for emotion in EMOTIONS])
    (split,) = make_splits(corpus, config=SplitConfig(dev=0.25, test=0.2))
    assert split.name == "holdout"
    assert {part: len(names) for part, names in speakers(split).items()} == {"train": 6, "dev": 2, "test": 2}


def test_loso_tests_each_speaker_and_the_seed_chooses_dev_only(even):
    choices = set()
    for seed in range(3):
        found = make_splits(even, "loso", seed=seed)
        assert [split.name for split in found] == list("abcdef")
        assert groups_of(found) == [[speaker] for speaker in "abcdef"]
        choices.add(str([sorted(speakers(split)["dev"]) for split in found]))
    assert len(choices) > 1


def test_kfold_makes_even_groups_that_the_seed_chooses(even):
    groups = [groups_of(make_splits(even, "kfold", SplitConfig(k=4), seed=seed)) for seed in range(4)]
    assert all(sorted(map(len, found)) == [1, 1, 2, 2] for found in groups)
    assert len({str(sorted(found)) for found in groups}) > 1


def test_sessions_are_tested_one_by_one(even):
    found = make_splits(even, "sessions")
    assert {split.name: sorted(speakers(split)["test"]) for split in found} == {
        "10": [*"ab"],
        "2": [*"cd"],
        "3": [*"ef"],
    }


def test_a_speaker_of_two_sessions_is_in_one_part_all_the_same_and_no_pool_has_them_twice(corpus_of):
    corpus = corpus_of(EVEN, session=list("1" * 9 + "2" * 8 + "1"))
    alone = [make_splits(corpus, "sessions", SplitConfig(only=[name]))[0] for name in "12"]
    assert [speakers(split)["test"] for split in alone] == [set("abcf"), set("def")]
    with pytest.raises(
        SplitError, match=r"1 speakers are tested in several.* use `protocol` loso or kfold.*different people.*\n  f$"
    ):
        make_splits(corpus, "sessions")


def test_folds_that_test_one_speaker_twice_are_run_one_by_one(even, tmp_path):
    tests = {"one": "ab", "two": "bc"}
    lines = [
        f"u{place},{fold},{'test' if who in tested else 'train'}"
        for fold, tested in tests.items()
        for place, (who, _) in enumerate(EVEN)
    ]
    path = folds_csv(tmp_path, *lines)
    with pytest.raises(SplitError, match=r"1 speakers are tested in several.*split.only '\[one\]'\)\n  b$"):
        make_splits(even, "folds", folds=path)
    for name, tested in tests.items():
        (split,) = make_splits(even, "folds", SplitConfig(only=[name]), folds=path)
        assert speakers(split)["test"] == set(tested)


def test_folds_with_leave_to_share_speakers_may_test_them_again_but_no_utterance(corpus_of, tmp_path):
    corpus = corpus_of([(speaker, emotion) for speaker in "ab" for emotion in [*EMOTIONS, *EMOTIONS, *EMOTIONS]])
    config = SplitConfig(shared_speakers=True)

    def path(*tested):
        return folds_csv(
            tmp_path,
            *(
                f"u{place},{start},{'test' if start <= place % 9 < start + 3 else 'train'}"
                for start in tested
                for place in range(18)
            ),
        )

    assert len(make_splits(corpus, "folds", config, folds=path(0, 3, 6))) == 3
    with pytest.raises(SplitError, match="2 utterances are tested in several splits"):
        make_splits(corpus, "folds", config, folds=path(0, 2))


def test_dev_is_chosen_without_a_look_at_the_test_part(corpus_of):
    def choices(pairs):
        corpus, first = corpus_of(pairs), SplitConfig(only=["a"])
        return [speakers(make_splits(corpus, "loso", first, seed=seed)[0])["dev"] for seed in range(2)]

    assert [choices([("a", emotion), *EVEN[3:]]) for emotion in EMOTIONS] == [choices(EVEN)] * 3


@pytest.mark.exhaustive
def test_draws_leave_every_emotion_to_train_where_that_can_be_had(corpus_of):
    pairs = [*EVEN, ("a", "calm"), ("b", "calm")]  # only two of six speakers are ever calm
    for seed in range(15):
        (split,) = make_splits(corpus_of(pairs), seed=seed)
        assert "calm" in split.train["emotion"]


def test_too_few_speakers_name_the_way_out(corpus_of):
    three, two = corpus_of(EVEN[:9]), corpus_of(EVEN[:6])
    with pytest.raises(SplitError, match=r"4 folds by speaker needs at least 4 speakers, the corpus has 3 \(a, b, c\)"):
        make_splits(three, "kfold", SplitConfig(k=4))
    with pytest.raises(SplitError, match=r"lower split.k or use `protocol` loso"):
        make_splits(three, "kfold", SplitConfig(k=4))
    for protocol in ("holdout", "loso"):
        with pytest.raises(SplitError, match=r"needs at least 2 speakers, the corpus has 1 \(a\): add speakers"):
            make_splits(rows(two, "a"), protocol)
        with pytest.raises(
            SplitError, match="no emotion has two recordings, one to train on and one to choose the epoch"
        ):
            make_splits(two, protocol)  # the epoch is chosen on clips of the only training speaker
    with pytest.raises(SplitError, match=r"split.test=0.9 takes 3 of 3 speakers and leaves too few.*lower it"):
        make_splits(three, config=SplitConfig(test=0.9))
    with pytest.raises(SplitError, match=r"split.dev=0.9 takes 2 of 2 speakers"):
        make_splits(three, "loso", SplitConfig(dev=0.9))


@pytest.mark.parametrize(
    ("sessions", "message"),
    [
        (None, "no column session; use loso or kfold instead"),
        (["1"] * 18, r"of two or more; found \['1'\]"),
        (["1"] * 9 + [None] * 9, "every utterance needs a session"),
        ([*"12345678912345678", None], "every utterance needs a session"),
    ],
)
def test_sessions_that_are_not_there_are_refused(corpus_of, sessions, message):
    columns = {} if sessions is None else {"session": sessions}
    with pytest.raises(SplitError, match=message):
        make_splits(corpus_of(EVEN, **columns), "sessions")


@pytest.mark.parametrize(("name", "value"), [("dev", 0), ("dev", 1.0), ("test", -0.1), ("test", float("nan"))])
def test_shares_are_between_0_and_1(name, value):
    with pytest.raises(ConfigError, match=f"split.{name} is .*expected a share between 0 and 1"):
        SplitConfig(**{name: value})


def test_one_fold_is_none():
    with pytest.raises(ConfigError, match=r"split.k is 1: expected at least 2 folds"):
        SplitConfig(k=1)


def rows(corpus, names):
    return corpus.filter(lambda row: row["speaker"] in names)


def test_a_split_of_ones_own_is_held_to_the_same(even):
    split = Split(rows(even, "abcd"), rows(even, "e"), rows(even, "f"), name="mine")
    assert split.ids == {part: list(getattr(split, part)["id"]) for part in PARTS}
    assert len(split.ids["train"]) == 12


@pytest.mark.parametrize(("train", "dev", "test"), [("abcd", "ae", "f"), ("abcd", "e", "df"), ("abc", "ef", "fd")])
def test_a_shared_speaker_is_refused(even, train, dev, test):
    parts = {"train": set(train), "dev": set(dev), "test": set(test)}
    one, other = next((a, b) for a, b in (("train", "dev"), ("train", "test"), ("dev", "test")) if parts[a] & parts[b])
    (shared,) = parts[one] & parts[other]
    with pytest.raises(SplitError, match=rf"1 speakers are in both {one} and {other}.*(?s:.)*\n  {shared}$") as error:
        Split(rows(even, train), rows(even, dev), rows(even, test), name="mine")
    assert str(error.value).startswith("split mine: ")
    assert "choose a protocol that divides by speaker (holdout, loso, kfold)" in str(error.value)
    assert "If these are different people, give them different names in the manifest" in str(error.value)


def test_the_same_audio_under_another_speaker_is_refused(even, tmp_path):
    original = rows(even, "a")[0]
    copy = tmp_path / "renamed.wav"
    shutil.copy(original["audio"]["path"], copy)
    row = {"id": "new", "audio": copy, "emotion": "anger", "speaker": "z", "corpus": "c", "language": "en"}
    test = build_corpus([row], source="test")
    with pytest.raises(SplitError, match=r"1 utterances of train and test are the very same audio.*remove the copies"):
        Split(rows(even, "abcd"), rows(even, "e"), test)
    with pytest.raises(SplitError, match=r"\n  u0 \(train\) = new \(test\)$"):
        Split(rows(even, "abcd"), rows(even, "e"), test)
    with pytest.raises(SplitError, match="of dev and test are the very same audio"):
        Split(rows(even, "bcd"), rows(even, "a"), test)
    copy.write_bytes(copy.read_bytes() + b"\0")
    Split(rows(even, "abcd"), rows(even, "e"), test)


@pytest.mark.parametrize("kind", ["flac", "tagged", "times"])
def test_the_same_samples_in_another_file_are_refused_once_they_were_read(even, tmp_path, kind):
    original = rows(even, "a")[0]
    path = Path(original["audio"]["path"])
    samples, rate = soundfile.read(path)
    copy, times = tmp_path / "copy.flac", {}
    if kind == "times":
        copy, times = path, {"start": 0.0, "end": len(samples) / rate}
    elif kind == "flac":
        soundfile.write(copy, samples, rate)
    else:
        copy = tmp_path / "copy.wav"
        with soundfile.SoundFile(copy, "w", rate, 1) as file:
            file.title = "another name"
            file.write(samples)
    row = {"id": "new", "audio": copy, "emotion": "anger", "speaker": "z", "corpus": "c", "language": "en"} | times
    test, _ = check_audio(build_corpus([row], source="test"))
    train, _ = check_audio(rows(even, "abcd"))
    with pytest.raises(SplitError, match=r"the very same audio(?s:.)*\n  u0 \(train\) = new \(test\)$"):
        Split(train, rows(even, "e"), test)


def test_what_ran_before_does_not_change_what_a_split_sees(even, tmp_path):
    path, copy = Path(rows(even, "a")[0]["audio"]["path"]), tmp_path / "copy.flac"
    soundfile.write(copy, *soundfile.read(path))
    row = {"id": "new", "audio": copy, "emotion": "anger", "speaker": "z", "corpus": "c", "language": "en"}
    test = build_corpus([row], source="test")
    for corpus in (rows(even, "abcd"), test):
        check_audio(corpus)  # what it returned is not what is split
    unread = Split(rows(even, "abcd"), rows(even, "e"), test).compared
    read = Split(check_audio(rows(even, "bcd"))[0], check_audio(rows(even, "e"))[0], check_audio(test)[0]).compared
    assert unread != read


def test_stretches_that_lie_over_each_other_are_refused_with_the_way_out(record):
    path = record(1.0)

    def parts(**times):
        row = {"audio": path, "emotion": "fear", "corpus": "c", "language": "en"}
        own = [
            {"id": who, "speaker": who, "audio": record(1.0) if who == "b" else path} | times.get(who, {})
            for who in "abc"
        ]
        return [build_corpus([row | one], source="test") for one in own]

    for here, there in [
        ({"start": 0.0, "end": 0.5}, {"start": 0.2, "end": 0.7}),
        ({"start": 0.2, "end": 0.4}, {}),
        ({"start": 0.5}, {"start": 0.6}),
    ]:
        for first, second in [(here, there), (there, here)]:
            with pytest.raises(
                SplitError, match=r"or more than half of it; .*one speaker or session\n  a \(train\) = c"
            ):
                Split(*parts(a=first, c=second))
    Split(*parts(a={"start": 0.0, "end": 0.5}, c={"start": 0.3, "end": 0.8}))
    Split(*parts(a={"start": 0.0, "end": 0.5}, c={"start": 0.5}))


def test_other_parts_of_one_recording_are_no_copies(record):
    path = record(1.0)
    parts = [
        build_corpus(
            [{"id": who, "audio": path, "emotion": "fear", "speaker": who, "corpus": "c", "language": "en"} | times],
            source="test",
        )
        for who, times in (("a", {"end": 0.5}), ("b", {"start": 0.5, "end": 0.8}), ("c", {"start": 0.8}))
    ]
    Split(*parts)


@pytest.mark.parametrize("part", PARTS)
def test_an_empty_part_is_refused(even, part):
    names = {"train": "abcd", "dev": "e", "test": "f"} | {part: ""}
    with pytest.raises(SplitError, match=f"split holdout: the {part} part is empty"):
        Split(**{one: rows(even, who) for one, who in names.items()})


def test_an_emotion_that_cannot_be_learned_is_refused_with_the_way_out(corpus_of):
    corpus = corpus_of([*EVEN, ("f", "calm"), ("e", "disgust")])
    with pytest.raises(SplitError, match="no training utterance is labelled calm, disgust, so it can't be") as error:
        Split(rows(corpus, "abcd"), rows(corpus, "e"), rows(corpus, "f"))
    assert "emotions.drop '[calm, disgust]'" in str(error.value)
    with pytest.raises(SplitError, match="split e: no training utterance is labelled disgust"):
        make_splits(corpus, "loso")


def test_published_folds_are_taken_as_they_are(even, tmp_path):
    lines = [
        f"u{place},one,{'test' if speaker == 'f' else 'dev' if speaker == 'e' else 'train'}"
        for place, (speaker, _) in enumerate(EVEN)
    ]
    (split,) = make_splits(even, "folds", folds=folds_csv(tmp_path, *lines), seed=5)
    assert split.name == "one"
    assert speakers(split) == {"train": set("abcd"), "dev": {"e"}, "test": {"f"}}


def test_where_the_publisher_has_no_dev_part_it_comes_out_of_the_training_speakers(even, tmp_path):
    lines = [f"u{place},one,{'test' if speaker in 'ef' else 'train'}" for place, (speaker, _) in enumerate(EVEN)]
    path = folds_csv(tmp_path, *lines)
    chosen = [speakers(*make_splits(even, "folds", folds=path, seed=seed)) for seed in range(6)]
    assert all(parts["test"] == set("ef") and parts["train"] | parts["dev"] == set("abcd") for parts in chosen)
    assert len({tuple(parts["dev"]) for parts in chosen}) > 1
    with pytest.raises(SplitError, match="no emotion has two recordings, one to train on and one to choose the epoch"):
        make_splits(
            rows(even, "aef"), "folds", SplitConfig(partial=True), folds=folds_csv(tmp_path, *lines[:3], *lines[12:])
        )


def test_published_folds_that_name_more_than_the_corpus_has_need_a_word(even, tmp_path):
    lines = [f"u{place},one,{'test' if speaker in 'ef' else 'train'}" for place, (speaker, _) in enumerate(EVEN)]
    path = folds_csv(tmp_path, *lines, "lost,one,train")
    with pytest.raises(SplitError, match=r"one: 1 ids of the published fold aren't in the corpus; restore") as error:
        make_splits(even, "folds", folds=path)
    assert "add split.partial true\n  lost" in str(error.value)
    (split,) = make_splits(even, "folds", SplitConfig(partial=True), folds=path)
    assert sorted(chain(*split.ids.values())) == sorted(even["id"])


def test_utterances_that_the_published_folds_forget_are_refused(even, tmp_path):
    lines = [f"u{place},one,{'test' if speaker in 'ef' else 'train'}" for place, (speaker, _) in enumerate(EVEN)]
    for partial in (False, True):
        with pytest.raises(SplitError, match=r"1 utterances of the corpus are in no part.*complete the fold\n  u4$"):
            make_splits(even, "folds", SplitConfig(partial=partial), folds=folds_csv(tmp_path, *lines[:4], *lines[5:]))


def test_folds_of_another_corpus_are_told_by_an_example(even, tmp_path):
    path = folds_csv(tmp_path, "03a01Fa,1,train", "08a01Fa,1,test")
    for partial in (False, True):
        with pytest.raises(SplitError, match=r"another corpus'. The fold has for example '03a01Fa', the corpus 'u0'"):
            make_splits(even, "folds", SplitConfig(partial=partial), folds=path)


def test_folds_and_protocol_belong_together(even, tmp_path):
    with pytest.raises(ConfigError, match="protocol folds needs `folds` PATH"):
        make_splits(even, "folds")
    with pytest.raises(ConfigError, match="the protocol is loso: leave one of the two out"):
        make_splits(even, "loso", folds=tmp_path)


def test_emobox_folds_of_emodb_are_refused_for_they_share_speakers(shared):
    corpus = load_corpus("emodb", shared("corpora/emodb"))
    with pytest.raises(SplitError, match=r"split fold_1: \d+ speakers are in both .*split.shared_speakers true"):
        make_splits(corpus, "folds", folds=shared("listings/emobox/emodb"))


@pytest.mark.exhaustive
def test_emobox_folds_of_emodb_are_made_when_asked_for(shared):
    corpus = load_corpus("emodb", shared("corpora/emodb"))
    folder = shared("listings/emobox/emodb")
    found = make_splits(corpus, "folds", SplitConfig(shared_speakers=True), folds=folder)
    published = read_folds(folder)
    assert [split.name for split in found] == [fold.name for fold in published]
    for split, fold in zip(found, published, strict=True):
        assert set(split.ids["test"]) == fold.test
        assert {*split.ids["train"], *split.ids["dev"]} == fold.train
        assert not set(split.ids["train"]) & set(split.ids["dev"])
        assert 0.17 < len(split.dev) / len(fold.train) < 0.23
        assert set(split.dev["emotion"]) == set(split.train["emotion"]) == set(corpus["emotion"])
        assert split.shared == sorted(set(split.test["speaker"]))


def test_leave_to_share_speakers_is_leave_for_nothing_else(corpus_of, tmp_path):
    corpus = corpus_of([(speaker, emotion) for speaker in "ab" for emotion in [*EMOTIONS, *EMOTIONS, *EMOTIONS]])
    lines = [f"u{place},one,{'test' if place % 9 < 3 else 'train'}" for place in range(18)]
    path, config = folds_csv(tmp_path, *lines), SplitConfig(shared_speakers=True)
    (split,) = make_splits(corpus, "folds", config, folds=path)
    assert split.shared == ["a", "b"]
    assert {part: len(ids) for part, ids in split.ids.items()} == {"train": 9, "dev": 3, "test": 6}
    (again,) = make_splits(corpus.select(range(17, -1, -1)), "folds", config, folds=path)
    assert {part: set(ids) for part, ids in again.ids.items()} == {part: set(ids) for part, ids in split.ids.items()}
    others = [make_splits(corpus, "folds", config, folds=path, seed=seed)[0].ids["dev"] for seed in range(1, 6)]
    assert any(ids != split.ids["dev"] for ids in others)
    first = split.test.select([0])
    with pytest.raises(SplitError, match="1 utterances of train and test are the very same audio"):
        Split(split.train, split.dev, concatenate_datasets([split.train.select([0]), first]), shared_speakers=True)
    with pytest.raises(SplitError, match="the dev part is empty"):
        Split(split.train, split.dev.select([]), split.test, shared_speakers=True)


def test_published_dev_parts_may_share_speakers_with_leave(corpus_of, tmp_path):
    corpus = corpus_of([(speaker, emotion) for speaker in "abc" for emotion in [*EMOTIONS, *EMOTIONS, *EMOTIONS]])
    parts = ["train", "dev", "test"]
    path = folds_csv(tmp_path, *(f"u{place},one,{parts[place % 9 // 3]}" for place in range(27)))
    with pytest.raises(SplitError, match="in both train and dev"):
        make_splits(corpus, "folds", folds=path)
    (split,) = make_splits(corpus, "folds", SplitConfig(shared_speakers=True), folds=path)
    assert split.shared == [*"abc"]
    assert len(split.train) == len(split.dev) == len(split.test) == 9


def test_folds_that_keep_speakers_apart_stay_apart_with_leave(even, tmp_path):
    path = folds_csv(tmp_path, *(f"u{n},one,{'test' if who in 'ef' else 'train'}" for n, (who, _) in enumerate(EVEN)))
    found = [make_splits(even, "folds", SplitConfig(shared_speakers=leave), folds=path)[0] for leave in (False, True)]
    assert found[0].ids == found[1].ids
    assert found[1].shared == []


def test_leave_to_share_speakers_is_for_folds_only(even):
    with pytest.raises(
        ConfigError, match=r"shared_speakers is for published folds.*the protocol is loso.*leave it out"
    ):
        make_splits(even, "loso", SplitConfig(shared_speakers=True))


def test_the_note_counts_the_speakers_and_says_what_it_means():
    note = splits.describe_shared(["a", "b"], ["a", "b", "c", "c"])
    assert note.startswith("NOT speaker-independent: 2 of the 3 speakers tested on were trained on as well")
    assert "split.shared_speakers" in note


@pytest.mark.exhaustive
def test_emobox_folds_of_ravdess_are_fine(shared):
    corpus = load_corpus("ravdess", shared("corpora/ravdess"))
    found = make_splits(corpus, "folds", folds=shared("listings/emobox/ravdess"))
    assert [len(speakers(split)["test"]) for split in found] == [4] * 6
    assert set().union(*(speakers(split)["test"] for split in found)) == set(corpus["speaker"])


def test_the_test_part_of_a_run_is_found_again(even, tmp_path):
    (split,) = make_splits(even)
    path = tmp_path / "split.json"
    path.write_text(json.dumps(split.ids))
    assert splits.select_tested(even, path)["id"] == split.ids["test"]
    with pytest.raises(SplitError, match="3 of its test utterances aren't in the corpus: is it the run's corpus"):
        splits.select_tested(rows(even, set("abcdef") - speakers(split)["test"]), path)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"train": []}', '{"test": 3}'])
def test_what_is_no_split_of_a_run_is_refused(even, tmp_path, content):
    path = tmp_path / "split.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SplitError, match=r"expected the split.json of a run's folder"):
        splits.select_tested(even, path)


def test_some_of_a_protocols_splits_can_be_run_alone(corpus_of):
    corpus = corpus_of(EVEN)
    every = make_splits(corpus, "loso")
    wanted = [every[2].name, every[0].name]
    chosen = make_splits(corpus, "loso", SplitConfig(only=wanted))
    assert [split.name for split in chosen] == [every[0].name, every[2].name]
    assert [split.ids for split in chosen] == [every[0].ids, every[2].ids]


@pytest.mark.parametrize("only", [[], ["nobody"], ["a", "a"]])
def test_splits_that_are_not_there_are_named_with_those_that_are(corpus_of, only):
    corpus = corpus_of(EVEN)
    names = [split.name for split in make_splits(corpus, "loso")]
    with pytest.raises(ConfigError, match=r"split.only is .*expected some of the protocol's splits") as told:
        make_splits(corpus, "loso", SplitConfig(only=only))
    assert str(names) in str(told.value)
