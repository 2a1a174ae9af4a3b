"""Corpora of one's own, as a manifest: a CSV or JSONL file with one row per utterance.

    path,emotion,speaker,start,end
    a/1.wav,angry,anna,0.5,2.25      ->  id a/1@0.5-2.25, anger, speaker anna

    column                      meaning
    path                        of the audio, from the manifest's folder, or absolute
    emotion, speaker            as text
    id                          the path without its ending, with @start-end where a start is given
    start, end                  seconds into the file; its start, its end
    language                    ISO 639-1 code; und, for undetermined
    corpus                      the manifest's own name without its ending
    session                     where the corpus has sessions
    votes                       each annotator's emotion: separated by ; in a CSV, a list in JSONL
    arousal, valence, dominance numbers, on the corpus' own scale

Path, emotion and speaker are needed; of id, end, language and corpus the table says what an absent or empty one means.
Columns of other names (a transcript, say) are left out of the corpus; only one that nearly spells an absent column of
the table, such as valance, is taken for a slip and refused. Nothing is guessed from paths.
"""

import difflib
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

from datasets import Dataset

from ser_tl.corpora.base import read_emotions, register_corpus, wrong_root
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.records import Records, need_columns, number, read_csv, read_jsonl, text
from ser_tl.data.schema import build
from ser_tl.errors import CorpusError, listing

NEEDED = ("path", "emotion", "speaker")
TEXTS = (*NEEDED, "id", "language", "corpus", "session")
NUMBERS = ("start", "end", "arousal", "valence", "dominance")
COLUMNS = (*TEXTS, *NUMBERS, "votes")

_LAYOUT = "a manifest, {} with path, emotion, speaker and perhaps " + ", ".join(COLUMNS[3:])
CSV_LAYOUT = _LAYOUT.format("a CSV file whose first line names the columns,")
JSONL_LAYOUT = _LAYOUT.format("a file with one JSON object a line,")


@register_corpus("csv", title="CSV manifest", languages=(), licence="the data's own", layout=CSV_LAYOUT)
def read_csv_manifest(root: Path, emotions: EmotionMap) -> Dataset:
    """The corpus that a CSV file lists.

    Raises:
        CorpusError: the file isn't a manifest, or lines are wrong; all of them are named
    """
    return _corpus(root, emotions, read_csv, CSV_LAYOUT)


@register_corpus("jsonl", title="JSONL manifest", languages=(), licence="the data's own", layout=JSONL_LAYOUT)
def read_jsonl_manifest(root: Path, emotions: EmotionMap) -> Dataset:
    """The corpus that a JSONL file lists.

    Raises:
        CorpusError: the file isn't a manifest, or lines are wrong; all of them are named
    """
    return _corpus(root, emotions, read_jsonl, JSONL_LAYOUT)


def _corpus(path: Path, emotions: EmotionMap, read: Callable[[Path], Records], layout: str) -> Dataset:
    if not path.is_file():
        raise wrong_root(path, layout)
    records = read(path)
    columns = list(dict.fromkeys(name for _, record in records for name in record))
    need_columns(path, columns, NEEDED)
    _refuse_slips(path, columns)
    rows, bad = [], []
    for line, record in records:
        try:
            rows.append(_row(record, path))
        except ValueError as error:
            bad.append(f"line {line}: {error}")
    if bad:
        raise CorpusError(f"{path}: {len(bad)} lines are wrong; correct them or take them out\n{listing(bad)}")
    lines = [f"line {line}" for line, _ in records]
    labels = [(line, row["emotion"]) for line, row in zip(lines, rows, strict=True)]
    names = read_emotions(labels, emotions, source=path)
    votes = [(line, vote) for line, row in zip(lines, rows, strict=True) for vote in row["votes"] or ()]
    voted = iter(read_emotions(votes, emotions, source=path))
    for row, name in zip(rows, names, strict=True):
        row["emotion"] = name
        row["votes"] = [next(voted) for _ in row["votes"]] if row["votes"] else None
    return build(rows, source=str(path), mapping=emotions)


def _refuse_slips(path: Path, columns: list[str]) -> None:
    absent = [name for name in COLUMNS if name not in columns]
    extra = [name for name in columns if name not in COLUMNS]
    near = {name: difflib.get_close_matches(name.strip().lower(), absent, n=1, cutoff=0.8) for name in extra}
    slips = [f"{name!r} for {match[0]!r}" for name, match in near.items() if match]
    if slips:
        raise CorpusError(
            f"{path}: columns look like slips of the pen: {', '.join(slips)}. Spell them so, or give them names "
            f"that are less alike if something else is meant"
        )


def _row(record: dict[str, Any], path: Path) -> dict[str, Any]:
    """A row for `schema.build`, with the emotion and the votes as spelled; a ValueError says what is wrong."""
    texts = {name: text(record, name) for name in TEXTS}
    gaps = [name for name in NEEDED if not texts[name]]
    if gaps:
        raise ValueError(f"no {' and no '.join(gaps)}")
    numbers = {name: number(record, name) for name in NUMBERS}
    audio, start, end = texts.pop("path") or "", numbers.pop("start"), numbers.pop("end")
    interval = "" if start is None else f"@{start}-{'' if end is None else end}"
    texts["id"] = texts["id"] or f"{PurePath(audio).with_suffix('').as_posix()}{interval}"
    texts["language"] = texts["language"] or "und"
    texts["corpus"] = texts["corpus"] or path.stem
    times = {"start": start or 0.0, "end": end}
    return texts | numbers | times | {"audio": path.parent / audio, "votes": _votes(record)}


def _votes(record: dict[str, Any]) -> list[str] | None:
    value = record.get("votes")
    votes = value.split(";") if isinstance(value, str) else value or []
    if not isinstance(votes, list) or not all(isinstance(vote, str) for vote in votes):
        raise ValueError(f"votes is {value!r}, expected a list of emotions")
    return [vote.strip() for vote in votes if vote.strip()] or None
