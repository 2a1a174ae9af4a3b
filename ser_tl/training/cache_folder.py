"""A folder of the feature cache: what lies in it, whether it is whole, and how it stays within its limit.

    FOLDER / key of a layer / encoder.json, and entries by clip --CacheFolder--> listed, verified, shrunk, cleared

Knows nothing of encoders, clips or training.
"""

import json
import os
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser_tl.training.entries import is_whole

FACTS_FILE = "encoder.json"
SUFFIX = ".safetensors"
VIEW = ".view"  # before the suffix, where an entry is of an augmented view

_ABANDONED = 86_400.0  # seconds after which a half-written file is nobody's any more


def default_folder() -> Path:
    """$SER_TL_CACHE, or ser_tl in the user's cache folder."""
    if given := os.environ.get("SER_TL_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ser_tl"


@dataclass(frozen=True)
class EncoderCache:
    """The entries of one layer of an encoder, as `ser-tl cache` shows them.

    Args:
        folder: where they are
        facts: encoder's name, family, layer and so on
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
        folder: `default_folder()` if None
        gib: the most that may lie there, in GiB; the least recently used entries make room
    """

    def __init__(self, folder: Path | None = None, gib: float = 20.0) -> None:
        self.folder = folder or default_folder()
        self.limit = int(gib * 2**30)

    def describe(self, home: Path, facts: dict[str, object]) -> None:
        """Writes what the entries of one layer are, beside them."""
        home.mkdir(parents=True, exist_ok=True)
        part = home / f"{FACTS_FILE}.{os.getpid()}.part"
        part.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        part.replace(home / FACTS_FILE)

    def encoders(self) -> list[EncoderCache]:
        """What lies in the cache, the last used first."""
        found = []
        for facts in sorted(self.folder.glob(f"*/{FACTS_FILE}")):
            paths = list(facts.parent.glob(f"*/*{SUFFIX}"))
            status = [path.stat() for path in paths]
            found.append(
                EncoderCache(
                    folder=facts.parent,
                    facts=json.loads(facts.read_text(encoding="utf-8")),
                    entries=len(status),
                    views=sum(path.stem.endswith(VIEW) for path in paths),
                    size=sum(one.st_size for one in status),
                    used=max((one.st_mtime for one in status), default=facts.stat().st_mtime),
                )
            )
        return sorted(found, key=lambda encoder: -encoder.used)

    def verify(self, *, delete: bool = False) -> list[Path]:
        """Reads every entry through, and returns those whose content isn't what was written.

        Args:
            delete: delete them, so that they are computed anew
        """
        damaged = [path for path in sorted(self.folder.glob(f"*/*/*{SUFFIX}")) if not is_whole(path)]
        for path in damaged if delete else []:
            path.unlink(missing_ok=True)
        return damaged

    def shrink(self, keep: Collection[Path] = (), limit: int | None = None) -> None:
        """Deletes the least recently used entries until the rest is within the limit, and what killed processes left.

        Args:
            keep: entries that stay in any case
            limit: bytes; the cache's own limit if None
        """
        limit = self.limit if limit is None else limit
        begun = time.time() - _ABANDONED
        for path in self.folder.glob("*/*/*.part"):
            with suppress(FileNotFoundError):  # another process may be at it, too
                if path.stat().st_mtime < begun or limit == 0:
                    path.unlink()
        entries = []
        for path in self.folder.glob(f"*/*/*{SUFFIX}"):
            with suppress(FileNotFoundError):
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
        size = sum(one for _, one, _ in entries)
        for _, one, path in sorted(entries):
            if size <= limit:
                break
            if path not in keep:
                path.unlink(missing_ok=True)
                size -= one

    def clear(self) -> None:
        """Deletes all entries. Files that aren't the cache's stay."""
        self.shrink(limit=0)
        for facts in self.folder.glob(f"*/{FACTS_FILE}"):
            facts.unlink(missing_ok=True)
        for folder in sorted(self.folder.glob("*/*/"), reverse=True) + sorted(self.folder.glob("*/"), reverse=True):
            with suppress(OSError):  # not empty: somebody's own
                folder.rmdir()
