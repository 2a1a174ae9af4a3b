"""Published folds: which utterances train, tune and test, by id.

    EmoBox's folder of fold_K/NAME_{train,valid,test}_fold_K.jsonl  --read_folds-->  [Fold, ...]
    a CSV with the columns id, fold and perhaps part                --read_folds-->  [Fold, ...]

A fold holds ids only. Whether a corpus has those utterances, and whether speakers are kept apart, is for data.splits to
see: EmoBox's folds of EMO-DB, for one, have the same speakers in training and test, and are refused unless that is
asked for (split.shared_speakers).

EmoBox (Ma et al. 2024) publishes its lists at github.com/emo-box/EmoBox, in data/. Some folders hold each list twice,
in two spellings of the file name and of the columns; that's fine as long as both say the same.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ser_tl.data.records import need_columns, read_csv, read_jsonl
from ser_tl.errors import CorpusError, SplitError, listing

FOLDS_LAYOUT = "fold_1/NAME_train_fold_1.jsonl, fold_1/NAME_test_fold_1.jsonl (and _valid_), fold_2/... in a folder"

PARTS = {"train": "train", "valid": "dev", "dev": "dev", "test": "test"}
"""How lists call the parts of a fold, and how we do."""

_FILE = re.compile(r".+_(train|valid|test)_fold_?(\d+)")


@dataclass(frozen=True)
class Fold:
    """One way to divide a corpus, by the ids of its utterances.

    Args:
        name: what the publisher calls it
        train: ids to learn from
        dev: ids to choose the epoch on; empty where the publisher left that open
        test: ids to evaluate on
    """

    name: str
    train: frozenset[str]
    dev: frozenset[str]
    test: frozenset[str]

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            if not getattr(self, part):
                raise SplitError(f"fold {self.name}: the {part} part is empty; add its utterances to the fold's list")
        shared = sorted((self.train & self.test) | (self.train & self.dev) | (self.dev & self.test))
        if shared:
            raise SplitError(
                f"fold {self.name}: {len(shared)} utterances stand in two parts; keep each in one\n{listing(shared)}"
            )


def read_folds(path: Path | str) -> list[Fold]:
    """The folds of a corpus, in the publisher's order.

    In a CSV without the column part, each fold is the test set once and all others train; with it, a row puts an
    utterance into one part (train, dev or valid, test) of one fold.

    Args:
        path: EmoBox's folder of a corpus (.json files in it aren't looked at), or a CSV file

    Raises:
        CorpusError: the path is neither, or lists contradict each other
        SplitError: a part is empty, or an utterance stands in two parts of a fold
    """
    path = Path(path)
    return _from_emobox(path) if path.is_dir() else _from_csv(path)


def emobox_id(record: Mapping[str, Any]) -> str:
    """The id of an EmoBox record: the stem of its audio file, which is what our readers of single corpora take.

    Where the stem alone doesn't tell utterances apart (CASIA's 201.wav in each emotion's folder, PAVOQUE's many
    utterances in one file), the key is another name than the stem, and is the id, without the corpus in front.
    """
    stem = PurePosixPath(record.get("wav") or record["audio"]).stem
    key = str(record.get("key") or stem).removeprefix(f"{record.get('dataset')}-")
    return stem if key.replace("_", "-") == stem.replace("_", "-") else key


def _from_emobox(folder: Path) -> list[Fold]:
    lists: dict[int, dict[str, tuple[Path, frozenset[str]]]] = {}
    for path in sorted(folder.glob("fold_*/*.jsonl")):
        match = _FILE.fullmatch(path.stem)
        if match is None or path.parent.name != f"fold_{match[2]}":
            raise CorpusError(
                f"{path}: its name says neither train, dev nor test; expected {FOLDS_LAYOUT}. Move it elsewhere"
            )
        part, number = PARTS[match[1]], int(match[2])
        ids = _emobox_ids(path)
        before, listed = lists.setdefault(number, {}).setdefault(part, (path, ids))
        if listed != ids:
            raise CorpusError(
                f"{path} and {before.name} both list the {part} part of fold {number} and differ; keep the right one\n"
                f"{listing(sorted(ids ^ listed))}"
            )
    if not lists:
        entries = listing(sorted(entry.name for entry in folder.iterdir()))
        raise CorpusError(
            f"{folder}: no folds. Expected {FOLDS_LAYOUT}, or a CSV file. Found\n{entries or '  nothing'}"
        )
    none = (folder, frozenset[str]())
    return [
        Fold(f"fold_{number}", **{part: parts.get(part, none)[1] for part in ("train", "dev", "test")})
        for number, parts in sorted(lists.items())
    ]


def _emobox_ids(path: Path) -> frozenset[str]:
    records = read_jsonl(path)
    bad = [f"line {line}" for line, record in records if not isinstance(record.get("wav") or record.get("audio"), str)]
    if bad:
        raise CorpusError(f"{path}: each record needs wav, the path of its audio file; add it\n{listing(bad)}")
    ids = [emobox_id(record) for _, record in records]
    _refuse_twice(ids, path)
    return frozenset(ids)


def _from_csv(path: Path) -> list[Fold]:
    records = read_csv(path)
    need_columns(path, records[0][1], ("id", "fold"))
    gaps = [f"line {line}" for line, row in records if not (row["id"] and row["fold"])]
    if gaps:
        raise CorpusError(f"{path}: each row needs an id and a fold; fill them in\n{listing(gaps)}")
    names = list(dict.fromkeys(row["fold"] for _, row in records))
    if "part" in records[0][1]:
        bad = [f"line {line}: {row['part']!r}" for line, row in records if row["part"] not in PARTS]
        if bad:
            raise CorpusError(f"{path}: the column part is one of {', '.join(PARTS)}\n{listing(bad)}")
        _refuse_twice([f"{row['id']} in fold {row['fold']}" for _, row in records], path)
        parts: dict[str, dict[str, set[str]]] = {name: {"train": set(), "dev": set(), "test": set()} for name in names}
        for _, row in records:
            parts[row["fold"]][PARTS[row["part"]]].add(row["id"])
        return [Fold(name, **{part: frozenset(ids) for part, ids in parts[name].items()}) for name in names]
    _refuse_twice([row["id"] for _, row in records], path)
    if len(names) == 1:
        raise CorpusError(f"{path}: only the fold {names[0]!r}; two are needed, each to be the test set once")
    everything = frozenset(row["id"] for _, row in records)
    tests = {name: frozenset(row["id"] for _, row in records if row["fold"] == name) for name in names}
    return [Fold(name, train=everything - test, dev=frozenset(), test=test) for name, test in tests.items()]


def _refuse_twice(ids: list[str], path: Path) -> None:
    twice = sorted(name for name, count in Counter(ids).items() if count > 1)
    if twice:
        raise CorpusError(f"{path}: {len(twice)} utterances stand there twice; keep each once\n{listing(twice)}")
