"""The recordings that a command names: files, folders, patterns, lists of files, standard input.

    "clip.wav", "folder", "calls/**/*.wav", "list.csv", "-" --expand_inputs()--> one recording after the other

What names no recording is an error; files that can't be decoded are the predictor's to report.
"""

import csv
import glob
import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ser_tl.data.audio import SUFFIXES
from ser_tl.errors import AudioError, ConfigError

LISTS = (".csv", ".tsv", ".jsonl", ".txt", ".parquet")
"""Endings of files that list recordings."""

_COLUMNS = ("path", "file", "file_name", "audio", "wav", "filename")
_MAGIC = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"caff")


def expand_inputs(named: Sequence[str]) -> list[str | bytes]:
    """The recordings that were named, in their order; bytes where standard input is one.

    Raises:
        AudioError: a folder, pattern or list names no recording
        ConfigError: a list without a column of paths
    """
    return [recording for item in named for recording in _expand(item)]


def _expand(item: str) -> Iterator[str | bytes]:
    path = Path(item)
    if item == "-":
        yield from _read_standard_input()
    elif path.is_dir():
        files = sorted(str(match) for match in path.rglob("*") if match.suffix.lower() in SUFFIXES and match.is_file())
        if not files:
            raise AudioError(f"{item}: a folder without recordings: expected files that end with {', '.join(SUFFIXES)}")
        yield from files
    elif path.suffix.lower() in LISTS and path.is_file():
        yield from _read_list(path)
    elif not path.exists() and glob.has_magic(item):
        matches = glob.iglob(item, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        files = sorted(match for match in matches if Path(match).is_file())
        if not files:
            raise AudioError(f"{item}: a pattern that no file matches")
        yield from files
    else:
        yield item


def _read_standard_input() -> Iterator[str | bytes]:
    content = sys.stdin.buffer.read()
    if content.startswith(_MAGIC):
        yield content
        return
    try:
        lines = [line.strip() for line in content.decode("utf-8").splitlines()]
    except UnicodeDecodeError:
        raise AudioError(
            "standard input: neither audio that can be read nor paths in UTF-8: pipe in a file, or one path per line"
        ) from None
    if not any(lines):
        raise AudioError("standard input: empty: pipe in one encoded file, or one path per line")
    yield from filter(None, lines)


def _read_list(path: Path) -> Iterator[str]:
    """Paths in a list; relative ones are relative to the list's folder."""
    for text in _read_column(path):
        yield text if Path(text).is_absolute() else str(path.parent / text)


def _read_column(path: Path) -> list[str]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        from pyarrow import parquet

        table = parquet.read_table(path)
        return [str(value) for value in table[_path_column(path, table.column_names)].to_pylist()]
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}): save it as UTF-8") from None
    lines = [line for line in text.splitlines() if line.strip()]
    if suffix == ".txt":
        return [line.strip() for line in lines]
    try:
        if suffix == ".jsonl":
            rows = [json.loads(line) for line in lines]
        else:
            dialect = "excel-tab" if suffix == ".tsv" else csv.Sniffer().sniff(lines[0], ",;\t") if lines else "excel"
            rows = list(csv.DictReader(io.StringIO("\n".join(lines)), dialect=dialect))
    except csv.Error:  # a single column has no delimiter to be found
        rows = list(csv.DictReader(io.StringIO("\n".join(lines))))
    except ValueError as error:
        raise ConfigError(f"{path}: a line that isn't JSON ({error})") from None
    if not rows:
        raise AudioError(f"{path}: a list without rows")
    column = _path_column(path, list(rows[0]))
    return [str(row[column]) for row in rows]


def _path_column(path: Path, columns: Sequence[str]) -> str:
    for name in _COLUMNS:
        if name in columns:
            return name
    raise ConfigError(
        f"{path}: no column of paths (found {', '.join(map(str, columns))}): name it {' or '.join(_COLUMNS[:4])}"
    )
