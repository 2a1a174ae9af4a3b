"""Recordings in tars, WebDataset's among them: each is read from its offset, without unpacking the tar.

`KEY.json` beside a recording in the tar may tell speaker, language and day. A tar that is cut short gives the members
that are whole, and a clip with the problem.
"""

import gzip
import json
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import BinaryIO

from ser_tl.archive.clip import Clip, split_text
from ser_tl.archive.sources.columns import Facts, read_facts
from ser_tl.archive.storage import open_file
from ser_tl.errors import AudioError

_PACKED = (".tar.gz", ".tgz")
_MOST_JSON = 1 << 20  # bytes


def is_tar(path: str) -> bool:
    """Whether a name is that of a tar."""
    return path.lower().endswith((".tar", *_PACKED))


def open_tar(path: str) -> BinaryIO:
    """A tar's bytes, unpacked, that can be sought in (in packed ones: forwards cheaply).

    Raises:
        AudioError: it can't be opened
    """
    stream = open_file(path)
    return gzip.open(stream) if path.lower().endswith(_PACKED) else stream  # ty: ignore[invalid-explicit-return]


def list_tar(path: str, name: str) -> Iterator[Clip]:
    """The recordings of a tar.

    Args:
        path: of the tar
        name: what the ids begin with
    """
    from ser_tl.archive.sources.folder import RECORDINGS

    text, raw = split_text(path)
    prefix = split_text(name)[0]
    waiting: list[Clip] = []  # of one key: its JSON may stand before or behind the recordings
    facts = Facts()
    key = None
    try:
        with open_tar(path) as stream, tarfile.open(fileobj=stream, mode="r:", errors="surrogateescape") as archive:
            while (member := archive.next()) is not None:
                archive.members.clear()  # ty: ignore[missing-attribute] - it would keep all of them
                if not (member.isfile() or member.islnk() or member.issym()):
                    continue
                folder, _, base = member.name.rpartition("/")
                stem = f"{folder}/{base.partition('.')[0]}"
                if stem != key:
                    yield from map(facts.add_to, waiting)
                    key, facts = stem, Facts()
                    waiting.clear()
                suffix = PurePosixPath(base).suffix.lower()
                if suffix == ".json" and member.size <= _MOST_JSON:
                    facts = _read_facts(archive, member)
                elif suffix in RECORDINGS:
                    inner = split_text(member.name)[0]
                    clip = Clip(
                        f"{prefix}/{inner}", text, "tar", raw=raw, member=inner, problem=_find_link(text, member)
                    )
                    waiting.append(clip._replace(offset=member.offset_data, size=member.size))
    except (tarfile.TarError, EOFError, OSError, zlib.error, AudioError) as error:
        yield from map(facts.add_to, waiting)
        problem = f"{text}: a tar that can't be read to its end ({error}): what follows in it is missing here"
        yield Clip(prefix, text, raw=raw, reader="tar", problem=problem)
        return
    yield from map(facts.add_to, waiting)


def _read_facts(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Facts:
    stream = archive.extractfile(member)
    try:
        content = json.loads(stream.read()) if stream is not None else None
    except ValueError:
        return Facts()  # not for us: WebDataset's JSON may be anything
    return read_facts(content) if isinstance(content, dict) else Facts()


def _find_link(path: str, member: tarfile.TarInfo) -> str | None:
    if member.isfile() and not member.islnk():
        return None
    return f"{path}: {member.name}: a link in the tar and no recording: pack it with tar --hard-dereference -h"
