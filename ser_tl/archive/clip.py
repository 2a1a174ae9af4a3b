"""One input of an archive: where a recording, or a part of one, lies. And the columns in which lists of them are kept.

Clip <--to_columns, from_columns--> columns of inputs/*.parquet
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Clip(NamedTuple):
    """A recording, or a part of one, that gets its rows.

    Attributes:
        id: unique in the archive
        path: of its file: absolute, or a URL that fsspec opens
        reader: how its samples are reached: file, tar (a member), arrow or parquet (a row), lhotse (a cut as JSON)
        start: seconds into the recording where the clip begins; None for a whole recording
        end: likewise where it ends
        channel: the only one that counts; None for the mean of all
        member: its name in a tar, its row in a table, its cut
        offset: of a member's first byte in the tar, unpacked
        size: bytes of a member
        raw: the path's bytes, where they aren't UTF-8
        problem: why it can't be read, where the listing already found out
        speaker: as the source tells
        language: likewise
        day: likewise, YYYY-MM-DD
    """

    id: str
    path: str
    reader: str = "file"
    start: float | None = None
    end: float | None = None
    channel: int | None = None
    member: str | None = None
    offset: int | None = None
    size: int | None = None
    raw: bytes | None = None
    problem: str | None = None
    speaker: str | None = None
    language: str | None = None
    day: str | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.path if self.member is None or self.reader == "lhotse" else f"{self.path}: {self.member}"

    @property
    def file(self) -> str:
        """The path as the system takes it."""
        return self.path if self.raw is None else os.fsdecode(self.raw)


COLUMNS = {
    "id": "string",
    "path": "string",
    "reader": "string",
    "start": "float64",
    "end": "float64",
    "channel": "int32",
    "member": "string",
    "offset": "int64",
    "size": "int64",
    "raw": "binary",
    "problem": "string",
    "speaker": "string",
    "language": "string",
    "day": "string",
}
"""Arrow's type of each field."""


def to_columns(clips: Sequence[Clip]) -> dict[str, list[Any]]:
    """Values of each column."""
    return {name: list(values) for name, values in zip(Clip._fields, zip(*clips, strict=True), strict=True)}


def from_columns(columns: Mapping[str, Sequence[Any]]) -> list[Clip]:
    """The clips of a table's columns."""
    return [Clip(*values) for values in zip(*(columns[name] for name in Clip._fields), strict=True)]


def hash_clips(clips: Sequence[Clip]) -> str:
    """The sha256 of a shard's inputs."""
    columns = to_columns(clips) | {"raw": [clip.raw and clip.raw.hex() for clip in clips]}
    return hashlib.sha256(json.dumps(columns, separators=(",", ":")).encode("utf-8")).hexdigest()


def split_text(path: str) -> tuple[str, bytes | None]:
    """A path as text that is UTF-8, and its bytes where they aren't.

    Args:
        path: as the operating system gave it: bytes that aren't UTF-8 are lone surrogates in it
    """
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raw = os.fsencode(path)
        return raw.decode("utf-8", errors="backslashreplace"), raw
    return path, None
