"""The rows of a CSV or JSONL file, each with the number of its line.

    path --read_csv / read_jsonl--> [(line number, {column: value}), ...]

What can be wrong with the file itself (absent, not UTF-8, torn rows) is refused here, all bad lines at once. What the
columns mean is for the caller to know.
"""

import csv
import io
import json
import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ser_tl.errors import CorpusError, listing

_SEPARATORS = ",;\t|"
# The line that spreadsheets put first, for themselves: sep=;
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?[ \t]*\r?\n')
_QUOTED = re.compile(r'"(?:[^"]|"")*"')

Records = list[tuple[int, dict[str, Any]]]
"""Line numbers, from 1, each with the row that ends on that line."""


def read_csv(path: Path) -> Records:
    """The rows of a table whose first line names the columns. Values are stripped strings.

    Columns are separated by commas, semicolons, tabs or vertical bars: by whichever is most frequent in the first line.

    Raises:
        CorpusError: the file isn't there, isn't UTF-8, has no rows, or rows don't have as many fields as there are
            columns
    """
    content = _content(path)
    separator = _find_separator(content)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True)
    records, torn, columns = [], [], None
    try:
        for fields in reader:
            if not fields or (reader.line_num == 1 and _SEPARATOR_LINE.match(content)):  # blank, or for spreadsheets
                continue
            if columns is None:
                columns = [name.strip() for name in fields]
            elif len(fields) == len(columns):
                records.append((reader.line_num, dict(zip(columns, map(str.strip, fields), strict=True))))
            else:
                torn.append(f"line {reader.line_num}: {len(fields)} fields")
    except csv.Error as error:
        raise CorpusError(f"{path}, line {reader.line_num}: not CSV ({error}); look for an unclosed quote") from error
    columns = columns or []
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise CorpusError(f"{path}: the columns {', '.join(twice)} stand there twice; take one of each out")
    if torn:
        raise CorpusError(
            f"{path}: {len(torn)} lines don't have the {len(columns)} fields of the first line, which "
            f"{separator!r} separates; put values that contain it into double quotes\n{listing(torn)}"
        )
    return _not_empty(records, path)


def _find_separator(content: str) -> str:
    """What separates the columns: as a line for spreadsheets says, or the header's most frequent mark."""
    if line := _SEPARATOR_LINE.match(content):
        return line[1]
    header = _QUOTED.sub("", content.lstrip().partition("\n")[0])
    return max(_SEPARATORS, key=header.count)  # the first of them, a comma, where there is none


def read_jsonl(path: Path) -> Records:
    """The objects of a file with one JSON object a line; blank lines are passed over.

    Raises:
        CorpusError: the file isn't there, isn't UTF-8, has no rows, or lines aren't JSON objects
    """
    records, bad = [], []
    for number, line in enumerate(_content(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            bad.append(f"line {number}: {error.msg} at column {error.colno}")
            continue
        if isinstance(row, dict):
            records.append((number, row))
        else:
            bad.append(f"line {number}: a {type(row).__name__}")
    if bad:
        raise CorpusError(f"{path}: {len(bad)} lines aren't JSON objects; write one per line\n{listing(bad)}")
    return _not_empty(records, path)


def need_columns(path: Path, columns: Collection[str], needed: Collection[str]) -> None:
    """Refuses a table that lacks a column.

    Raises:
        CorpusError: a needed column is missing; the message lists those there are
    """
    missing = [name for name in needed if name not in columns]
    if missing:
        raise CorpusError(
            f"{path}: the columns {', '.join(missing)} are missing; found are {', '.join(map(repr, columns))}. "
            f"Needed are {', '.join(needed)}: rename or add them"
        )


def text(record: Mapping[str, Any], name: str) -> str | None:
    """The text in a column, stripped; None where it is empty or absent.

    Raises:
        ValueError: it's neither text nor a whole number, as speakers and ids are in many JSONL files
    """
    value = record.get(name)
    if isinstance(value, float) and math.isnan(value):  # how pandas says that a value is missing
        value = None
    if isinstance(value, float) and value.is_integer():  # what pandas makes of whole numbers with gaps among them
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, expected text")
    return (value or "").strip() or None


def number(record: Mapping[str, Any], name: str) -> float | None:
    """The number in a column, written as one or as text; None where it is empty or absent.

    Raises:
        ValueError: it's no finite number
    """
    value = record.get(name)
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    try:
        parsed = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        parsed = math.nan
    if not math.isfinite(parsed):
        raise ValueError(f"{name} is {value!r}, expected a number such as 1.5")
    return parsed


def _content(path: Path) -> str:
    if not path.is_file():
        raise CorpusError(f"{path}: no such file; give the path of a CSV or JSONL file")
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data:  # spreadsheets' "Unicode text"; ASCII in it is UTF-8
        line = data.count(b"\n", 0, data.find(b"\0")) + 1
        raise CorpusError(
            f"{path}, line {line}: not UTF-8 but UTF-16, or no text. Save it as UTF-8, for example: "
            f"iconv -f utf-16 -t utf-8 {path.name} > utf8_{path.name}"
        )
    try:
        return data.decode("utf-8-sig")  # spreadsheets put a byte order mark in front
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CorpusError(
            f"{path}, line {line}: not UTF-8 (byte 0x{data[error.start]:02x}), it may be Latin-1. "
            f"Save it as UTF-8, for example: iconv -f latin1 -t utf-8 {path.name} > utf8_{path.name}"
        ) from error


def _not_empty(records: Records, path: Path) -> Records:
    if not records:
        raise CorpusError(f"{path}: no rows; expected at least one")
    return records
