"""Recordings in a list: CSV, TSV, JSON lines, Parquet, or one path per line; packed by gzip or not.

Rows are read one after the other, so that a list of millions takes no memory. A row without a path, or with a start
that is no number, is a clip with the problem; a file that is no list at all is refused.
"""

import csv
import gzip
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from ser_tl.archive.clip import Clip, split_text
from ser_tl.archive.sources import arrow
from ser_tl.archive.sources.columns import PATHS, columns_of, read_facts, span_of
from ser_tl.archive.storage import find_parent, join_path, open_file
from ser_tl.data.records import number, text
from ser_tl.errors import CorpusError

Row = tuple[int, Mapping[str, Any]]

ENDINGS = (".csv", ".tsv", ".jsonl", ".json", ".txt", ".scp", ".parquet")


def is_table(path: str) -> bool:
    """Whether a name is that of a list."""
    return path.lower().removesuffix(".gz").endswith(ENDINGS)


def list_table(path: str) -> Iterator[Clip]:
    """The clips of a list.

    Raises:
        CorpusError: it isn't UTF-8, has no column of paths, or torn rows
    """
    kind = path.lower().removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        if arrow.holds_audio(path):
            yield from arrow.list_parquet(path, path.rsplit("/", 1)[-1])
            return
        rows = arrow.read_rows(path)
    else:
        rows = _read_text(path, kind)
    folder, empty = find_parent(path), True
    try:
        for line, row in rows:
            empty = False
            yield _make_clip(path, folder, line, row)
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path}: not UTF-8 (byte 0x{error.object[error.start]:02x}), it may be Latin-1 or UTF-16: save it as "
            f"UTF-8, for example: iconv -f latin1 -t utf-8"
        ) from error
    except (OSError, EOFError) as error:
        raise CorpusError(f"{path}: can't be read to its end ({error}): copy it again") from error
    if empty:
        raise CorpusError(f"{path}: a list without rows: expected one for each recording")


def _make_clip(path: str, folder: str, line: int, row: Mapping[str, Any]) -> Clip:
    columns = columns_of(row)
    where = f"{path}, line {line}"
    if columns.path is None:
        raise CorpusError(
            f"{where}: no column of paths (found {', '.join(map(str, row)) or 'none'}): name it "
            f"{', '.join(PATHS[:4])} or {PATHS[4]}"
        )
    file, identity, problem = None, None, None
    start, end, channel = None, None, None
    try:
        value = row[columns.path]
        file = value if isinstance(value, str) and value else text(row, columns.path)  # spaces may be its own
        identity = None if columns.id is None else text(row, columns.id)
        start, end = span_of(row)
        index = None if columns.channel is None else number(row, columns.channel)
        channel = None if index is None else int(index)
    except ValueError as error:
        problem = f"{where}: {error}"
    if file is None:
        problem = problem or f"{where}: no path"
        return Clip(identity or f"line {line}", path, problem=problem)
    given, _ = split_text(file)
    mark = "" if start is None and end is None else f"#{start:g}-{'' if end is None else f'{end:g}'}"
    mark += "" if channel is None else f"#{channel}"
    location, raw = split_text(join_path(folder, file))
    key = identity or given + mark
    facts = read_facts(row)
    return Clip(key, location, "file", start, end, channel, None, None, None, raw, problem, *facts)


def _read_text(path: str, kind: str) -> Iterator[Row]:
    """Rows of a text file, each with the number of its last line."""
    with open_file(path) as raw, io.TextIOWrapper(_unpack(path, raw), encoding="utf-8-sig", newline="") as stream:
        if kind in ("csv", "tsv"):
            yield from _read_csv(path, stream, "\t" if kind == "tsv" else None)
        elif kind in ("jsonl", "json"):
            yield from _read_jsonl(path, stream)
        elif kind == "scp":  # Kaldi's: key, space, path
            for line, content in enumerate(stream, 1):
                key, _, value = content.strip().partition(" ")
                if key:
                    yield line, {"id": key, "path": value.strip()}
        else:
            for line, content in enumerate(stream, 1):
                if content.strip("\r\n"):
                    yield line, {"path": content.strip("\r\n")}


def _unpack(path: str, raw: Any) -> Any:  # noqa: ANN401 - binary files of several libraries
    return gzip.open(raw) if path.lower().endswith(".gz") else raw


def _read_csv(path: str, stream: TextIO, delimiter: str | None) -> Iterator[Row]:
    head = stream.readline()
    if "\0" in head:
        raise CorpusError(f"{path}: not UTF-8 but UTF-16, or no text: save it as UTF-8")
    mark = delimiter or max(",;\t", key=head.count)  # the comma where there is none
    columns = [name.strip() for name in next(csv.reader([head], delimiter=mark), [])]
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise CorpusError(f"{path}: the columns {', '.join(twice)} stand there twice; take one of each out")
    reader = csv.reader(stream, delimiter=mark, strict=True)
    try:
        for values in reader:
            if len(values) == len(columns):
                yield reader.line_num + 1, dict(zip(columns, values, strict=True))
            elif values:
                raise CorpusError(
                    f"{path}, line {reader.line_num + 1}: {len(values)} fields, and the first line has {len(columns)}; "
                    f"put values that contain {mark!r} into double quotes"
                )
    except csv.Error as error:
        raise CorpusError(
            f"{path}, line {reader.line_num + 1}: not CSV ({error}); look for an unclosed quote"
        ) from error


def _read_jsonl(path: str, stream: TextIO) -> Iterator[Row]:
    for line, content in enumerate(stream, 1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except ValueError as error:
            raise CorpusError(f"{path}, line {line}: no JSON ({error}); write one object per line") from error
        if not isinstance(row, dict):
            raise CorpusError(f"{path}, line {line}: a {type(row).__name__}, expected one object per line")
        yield line, row
