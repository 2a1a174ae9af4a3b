"""Your own corpora, as a manifest: a CSV or JSONL file with one row per utterance.

    path,emotion,speaker,start,end
    a/1.wav,angry,anna,0.5,2.25      ->  id a/1@0.5-2.25, anger, speaker anna

`path` is where the audio is, from the manifest's folder, or absolute. The other columns are those of `corpora.table`;
path and emotion are needed. An absent or empty id is the path from the manifest's folder without its ending, with
@start-end where a start is given, an absent corpus the manifest's own name. The option columns
renames columns: {"path": "filename", "emotion": "label"}.

Columns of other names (a transcript, say) are left out of the corpus; only one that nearly spells an absent column of
ours, such as valance, is taken for a slip and refused. Nothing is guessed from paths.
"""

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath

from datasets import Dataset

from ser_tl.corpora.base import register_corpus, wrong_root
from ser_tl.corpora.table import LABELS, build_rows, format_span, resolve_columns
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.records import Records, read_csv, read_jsonl
from ser_tl.data.schema import build_corpus
from ser_tl.errors import CorpusError

NEEDED = ("path", "emotion")
COLUMNS = ("path", *LABELS)

_LAYOUT = "a manifest, {} with path, emotion, speaker and perhaps " + ", ".join(COLUMNS[3:])
CSV_LAYOUT = _LAYOUT.format("a CSV file whose first line names the columns,")
JSONL_LAYOUT = _LAYOUT.format("a file with one JSON object a line,")


@register_corpus(
    "csv", title="CSV manifest", languages=(), licence="the data's own", layout=CSV_LAYOUT, takes_columns=True
)
def read_csv_manifest(root: Path, emotions: EmotionMap, columns: Mapping[str, str]) -> Dataset:
    """The corpus that a CSV file lists.

    Raises:
        CorpusError: the file isn't a manifest, or lines are wrong; all of them are named
        ConfigError: `columns` has a name that isn't ours
    """
    return _read_manifest(root, emotions, columns, read_csv, CSV_LAYOUT)


@register_corpus(
    "jsonl", title="JSONL manifest", languages=(), licence="the data's own", layout=JSONL_LAYOUT, takes_columns=True
)
def read_jsonl_manifest(root: Path, emotions: EmotionMap, columns: Mapping[str, str]) -> Dataset:
    """The corpus that a JSONL file lists.

    Raises:
        CorpusError: the file isn't a manifest, or lines are wrong; all of them are named
        ConfigError: `columns` has a name that isn't ours
    """
    return _read_manifest(root, emotions, columns, read_jsonl, JSONL_LAYOUT)


def _read_manifest(
    path: Path, emotions: EmotionMap, columns: Mapping[str, str], read: Callable[[Path], Records], layout: str
) -> Dataset:
    if not path.is_file():
        raise wrong_root(path, layout)
    records = read(path)
    available = list(dict.fromkeys(name for _, record in records for name in record))
    column_of = resolve_columns(available, columns, names=COLUMNS, needed=NEEDED, source=path)
    _refuse_slips(path, column_of, available)
    named = [(line, {name: record.get(column) for name, column in column_of.items()}) for line, record in records]
    rows = build_rows(named, emotions, source=path, needed=NEEDED, corpus=path.stem)
    for row in rows:
        audio = row.pop("path")
        row["audio"] = path.parent / audio
        row["id"] = row["id"] or _relative_path(audio, path.parent).with_suffix("").as_posix() + format_span(row)
    return build_corpus(rows, source=str(path), mapping=emotions)


def _relative_path(audio: str, folder: Path) -> PurePath:
    """A path from the manifest's folder, where it lies in it: the same on every machine."""
    path = PurePath(audio)
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def _refuse_slips(path: Path, column_of: Mapping[str, str], available: list[str]) -> None:
    absent = [name for name in COLUMNS if name not in column_of]
    extra = [name for name in available if name not in column_of.values() and name not in COLUMNS]
    near = {name: difflib.get_close_matches(name.strip().lower(), absent, n=1, cutoff=0.8) for name in extra}
    slips = [f"{name!r} for {match[0]!r}" for name, match in near.items() if match]
    if slips:
        raise CorpusError(
            f"{path}: columns look like slips of the pen: {', '.join(slips)}. Spell them so, or give them names "
            f"that are less alike if something else is meant"
        )
