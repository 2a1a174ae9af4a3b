"""Recordings in a folder, however deep, and in the tars and Parquet files that lie among them."""

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from ser_tl.archive.clip import Clip, split_text
from ser_tl.archive.sources import arrow, tar
from ser_tl.archive.storage import walk
from ser_tl.data.audio import SUFFIXES

UNREAD = (
    ".m4a",
    ".aac",
    ".wma",
    ".amr",
    ".webm",
    ".mka",
    ".mp4",
    ".au",
    ".caf",
    ".w64",
    ".rf64",
    ".sph",
    ".wv",
    ".ape",
)
"""Other endings of recordings. Some are read all the same; the others become rows that say why they weren't."""

RECORDINGS = frozenset((*SUFFIXES, *UNREAD))
"""Endings of names that are listed."""


def list_folder(root: str, skipped: Counter[str]) -> Iterator[Clip]:
    """The recordings below a folder, by their names relative to it."""
    for entry in walk(root):
        if entry.problem is not None:
            path, raw = split_text(entry.path)
            yield Clip(split_text(entry.name)[0] or ".", path, raw=raw, problem=split_text(entry.problem)[0])
        else:
            yield from list_file(entry.path, entry.name, skipped)


def list_file(path: str, name: str, skipped: Counter[str], *, named: bool = False) -> Iterator[Clip]:
    """The clips of a file.

    Args:
        path: of the file
        name: its clips' id, or what their ids begin with
        skipped: gets its ending if it is no recording
        named: the user named this very file: it counts as a recording whatever its ending
    """
    suffix = PurePosixPath(path).suffix.lower()
    if tar.is_tar(path):
        yield from tar.list_tar(path, name)
    elif suffix == ".parquet" and arrow.holds_audio(path):
        yield from arrow.list_parquet(path, name)
    elif suffix in RECORDINGS or named:
        text, raw = split_text(path)
        yield Clip(split_text(name)[0], text, raw=raw)
    else:
        skipped[suffix or "(no ending)"] += 1
