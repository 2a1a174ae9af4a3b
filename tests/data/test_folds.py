"""Published folds: EmoBox's lists and CSV files."""

import json
from pathlib import Path

import pytest

from ser_tl.data.folds import Fold, emobox_id, read_folds
from ser_tl.errors import CorpusError, SplitError

SHARED = Path(__file__).parents[3] / "shared"


def emobox(folder: Path, name: str, *stems: str, field: str = "wav") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"key": f"set-{stem}", "dataset": "set", field: f"downloads/set/{stem}.wav"} for stem in stems]
    path.write_text("\n".join(map(json.dumps, rows)))


def csv(folder: Path, *lines: str) -> Path:
    path = folder / "folds.csv"
    path.write_text("\n".join(lines))
    return path


def test_emobox_folds_come_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 2):
        emobox(tmp_path, f"fold_{number}/set_train_fold_{number}.jsonl", "a", "b")
        emobox(tmp_path, f"fold_{number}/set_test_fold_{number}.jsonl", "c")
    emobox(tmp_path, "fold_10/set_valid_fold_10.jsonl", "d")
    none = frozenset()
    assert read_folds(tmp_path) == [
        Fold("fold_2", frozenset("ab"), none, frozenset("c")),
        Fold("fold_10", frozenset("ab"), frozenset("d"), frozenset("c")),
    ]


def test_equal_copies_are_fine_and_differing_ones_are_not(tmp_path):
    emobox(tmp_path, "fold_1/set_train_fold_1.jsonl", "a", "b")
    emobox(tmp_path, "fold_1/set_train_fold1.jsonl", "b", "a", field="audio")
    emobox(tmp_path, "fold_1/set_test_fold_1.jsonl", "c")
    assert len(read_folds(tmp_path)) == 1
    emobox(tmp_path, "fold_1/set_test_fold1.jsonl", "c", "d", field="audio")
    with pytest.raises(CorpusError, match=r"both list the test part of fold 1 and differ; keep the right one\n  d"):
        read_folds(tmp_path)


def test_the_id_is_the_stem_unless_the_key_says_more():
    def named(key: str, wav: str) -> str:
        return emobox_id({"key": key, "dataset": key.split("-")[0], "wav": wav})

    assert named("emodb-03a01Wa", "downloads/emodb/wav/03a01Wa.wav") == "03a01Wa"
    assert named("cremad-1028-IOM-DIS-XX", "downloads/cremad/AudioWAV/1028_IOM_DIS_XX.wav") == "1028_IOM_DIS_XX"
    assert named("casia-239-wangzhe-neutral", "downloads/casia/wangzhe/neutral/239.wav") == "239-wangzhe-neutral"
    assert named("pavoque-m0010c-angry", "downloads/pavoque/pavoque-outtakes.flac") == "m0010c-angry"
    assert emobox_id({"audio": "a/b.wav"}) == "b"


@pytest.mark.parametrize("name", ["fold_1/set_test1_fold_1.jsonl", "fold_2/set_test_fold_1.jsonl", "fold_1/all.jsonl"])
def test_lists_that_tell_no_part_are_not_passed_over(tmp_path, name):
    emobox(tmp_path, name, "a")
    with pytest.raises(CorpusError, match=r"its name says neither train, dev nor test; expected .* Move it elsewhere"):
        read_folds(tmp_path)


def test_a_folder_without_folds_shows_what_is_there(tmp_path):
    (tmp_path / "readme.txt").touch()
    with pytest.raises(CorpusError, match=r"no folds. Expected fold_1/NAME_train_fold_1.jsonl.*\n  readme.txt"):
        read_folds(tmp_path)
    with pytest.raises(CorpusError, match="no such file"):
        read_folds(tmp_path / "lost")


def test_a_missing_part_and_a_shared_utterance_are_refused(tmp_path):
    emobox(tmp_path, "fold_1/set_train_fold_1.jsonl", "a", "b")
    with pytest.raises(SplitError, match="fold_1: the test part is empty; add its utterances"):
        read_folds(tmp_path)
    emobox(tmp_path, "fold_1/set_test_fold_1.jsonl", "b")
    with pytest.raises(SplitError, match=r"1 utterances stand in two parts; keep each in one\n  b"):
        read_folds(tmp_path)


def test_records_without_audio_or_twice_are_refused(tmp_path):
    emobox(tmp_path, "fold_1/set_train_fold_1.jsonl", "a", "a")
    with pytest.raises(CorpusError, match=r"1 utterances stand there twice; keep each once\n  a"):
        read_folds(tmp_path)
    emobox(tmp_path, "fold_1/set_train_fold_1.jsonl", "a", field="file")
    with pytest.raises(CorpusError, match="needs wav, the path of its audio file; add it\n  line 1"):
        read_folds(tmp_path)


def test_csv_folds_are_the_test_set_once_each(tmp_path):
    folds = read_folds(str(csv(tmp_path, "id,fold", "a,one", "b,two", "c,one", "d,three")))
    assert [fold.name for fold in folds] == ["one", "two", "three"]
    assert folds[0] == Fold("one", frozenset("bd"), frozenset(), frozenset("ac"))


def test_csv_parts_are_taken_as_they_are(tmp_path):
    lines = ("id,fold,part", "a,1,train", "b,1,valid", "c,1,test", "a,2,test", "b,2,dev", "c,2,train")
    folds = read_folds(csv(tmp_path, *lines))
    assert folds[1] == Fold("2", frozenset("c"), frozenset("b"), frozenset("a"))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["id,split", "a,1"], "fold are missing.*rename or add"),
        (["id,fold", "a,"], "needs an id and a fold; fill them in\n  line 2"),
        (["id,fold", "a,1", "a,2"], "1 utterances stand there twice"),
        (["id,fold", "a,1", "b,1"], "only the fold '1'; two are needed"),
        (["id,fold,part", "a,1,eval"], "part is one of train, valid, dev, test\n  line 2: 'eval'"),
        (["id,fold,part", "a,1,train", "a,1,test"], "a in fold 1"),
    ],
)
def test_bad_csv_names_the_way_out(tmp_path, lines, message):
    with pytest.raises(CorpusError, match=message):
        read_folds(csv(tmp_path, *lines))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count", "size"), [("ravdess", 6, 1440), ("emodb", 5, 535)])
def test_the_published_folds_test_each_utterance_once(name, count, size):
    folder = SHARED / "listings" / "emobox" / name
    if not folder.exists():
        pytest.skip(f"needs ../shared/listings/emobox/{name}, which isn't beside this checkout")
    folds = read_folds(folder)
    assert [fold.name for fold in folds] == [f"fold_{number + 1}" for number in range(count)]
    assert sum(len(fold.test) for fold in folds) == len(frozenset().union(*(fold.test for fold in folds))) == size
    assert all(len(fold.train) + len(fold.test) == size and not fold.dev for fold in folds)
