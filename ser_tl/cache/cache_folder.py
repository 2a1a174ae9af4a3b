"""The folder of the feature cache: its content, its integrity and its size limit.

    FOLDER / key of a layer / encoder.json, and entries by clip --CacheFolder--> list, verify, evict, clear

Independent of encoders, clips and training.
"""

import json
import secrets
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser_tl.cache.entry import is_whole
from ser_tl.errors import StorageError
from ser_tl.files import write_text
from ser_tl.user_cache import WAY_OUT, find_cache_folder

FACTS_FILE = "encoder.json"
SUFFIX = ".safetensors"
VIEW = ".view"  # before the suffix, where an entry is of an augmented view

_ABANDONED = 86_400.0  # seconds after which a half-written file is abandoned


@dataclass(frozen=True)
class EncoderCache:
    """The entries of one layer of an encoder, as `ser-tl cache` shows them.

    Args:
        folder: where they are
        facts: encoder's name, family, layer and so on; empty where they can't be read
        entries: number of clips and views
        views: how many of them are augmented views
        size: bytes
        used: when one was used last, seconds since the epoch
    """

    folder: Path
    facts: dict[str, Any]
    entries: int
    views: int
    size: int
    used: float


class CacheFolder:
    """A folder of encoders' states.

    Args:
        folder: `find_cache_folder()` if None
        gib: the most that may lie there, in GiB; the least recently used entries make room
    """

    def __init__(self, folder: Path | None = None, gib: float = 20.0) -> None:
        self._folder = folder
        self.limit = int(gib * 2**30)

    @property
    def folder(self) -> Path:
        """The folder; looked up when it is first needed, so that a run without a cache needs no home folder."""
        if self._folder is None:
            self._folder = find_cache_folder()
        return self._folder

    def check_writable(self) -> None:
        """Makes the folder, writes a file to it and deletes the file.

        Raises:
            StorageError: one of these isn't possible
        """
        probe = self.folder / f".{secrets.token_hex(8)}.probe"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"\0" * 4096)
            probe.unlink()
        except OSError as error:
            raise StorageError(
                f"the feature cache {self.folder} can't be written to ({error.strerror}): {WAY_OUT}"
            ) from error

    def check_usable(self) -> None:
        """Refuses an empty folder that can't be written to; a full one may have all that is needed.

        Raises:
            StorageError: as of `check_writable`
        """
        try:
            self.check_writable()
        except StorageError:
            if not self._list_homes():
                raise

    def describe(self, home: Path, facts: dict[str, object]) -> None:
        """Writes the facts of one layer's entries beside them, unless they are there.

        Raises:
            StorageError: the folder can't be written to, or the disk is full
        """
        recorded = {"key": home.name, **facts}
        if _read_facts(home / FACTS_FILE) == json.loads(json.dumps(recorded)):
            return
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{home} can't be made ({error.strerror}): {WAY_OUT}") from error
        write_text(home / FACTS_FILE, json.dumps(recorded, indent=1) + "\n", durable=False)

    def encoders(self) -> list[EncoderCache]:
        """The cached layers, the last used first."""
        caches = []
        for home in sorted({path.parent for path in self.folder.glob(f"*/{FACTS_FILE}")} | self._list_homes()):
            paths = list(home.glob(f"*/*{SUFFIX}"))
            status = [path.stat() for path in paths]
            caches.append(
                EncoderCache(
                    folder=home,
                    facts=_read_facts(home / FACTS_FILE) or {},
                    entries=len(status),
                    views=sum(path.stem.endswith(VIEW) for path in paths),
                    size=sum(file.st_size for file in status),
                    used=max((file.st_mtime for file in status), default=home.stat().st_mtime),
                )
            )
        return sorted(caches, key=lambda encoder: -encoder.used)

    def _list_homes(self) -> set[Path]:
        """Folders of layers that have entries."""
        return {path.parents[1] for path in self.folder.glob(f"*/*/*{SUFFIX}")}

    def verify(self, *, delete: bool = False) -> list[Path]:
        """Reads all files, and returns those that are damaged: entries, and facts of a layer's entries.

        Args:
            delete: delete them, so that they are computed and written anew
        """
        damaged = [path for path in sorted(self.folder.glob(f"*/*/*{SUFFIX}")) if not is_whole(path)]
        damaged += [path for path in sorted(self.folder.glob(f"*/{FACTS_FILE}")) if _read_facts(path) is None]
        for path in damaged if delete else []:
            path.unlink(missing_ok=True)
        return damaged

    def evict(self, keep: Collection[Path] = (), limit: int | None = None) -> None:
        """Deletes leftovers of killed processes, and the least recently used entries above the limit.

        Args:
            keep: entries that stay in any case
            limit: bytes; the cache's own limit if None
        """
        limit = self.limit if limit is None else limit
        begun = time.time() - _ABANDONED
        for path in [*self.folder.glob("*/*/*.part"), *self.folder.glob("*/*.part")]:
            with suppress(FileNotFoundError):  # another process may be at it, too
                if path.stat().st_mtime < begun or limit == 0:
                    path.unlink()
        entries = []
        for path in self.folder.glob(f"*/*/*{SUFFIX}"):
            with suppress(FileNotFoundError):
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
        size = sum(entry_size for _, entry_size, _ in entries)
        for _, entry_size, path in sorted(entries):
            if size <= limit:
                break
            if path not in keep:
                path.unlink(missing_ok=True)
                size -= entry_size

    def clear(self) -> None:
        """Deletes all entries. Files that aren't the cache's stay."""
        self.evict(limit=0)
        for facts in self.folder.glob(f"*/{FACTS_FILE}"):
            facts.unlink(missing_ok=True)
        for folder in sorted(self.folder.glob("*/*/"), reverse=True) + sorted(self.folder.glob("*/"), reverse=True):
            with suppress(OSError):  # not empty: somebody's own
                folder.rmdir()


def _read_facts(path: Path) -> dict[str, Any] | None:
    """The facts of a layer's entries; None where the file is of another layer, or damaged."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not UTF-8 and not JSON are ValueErrors
        return None
    return facts if isinstance(facts, dict) and facts.get("key") == path.parent.name else None
