"""What a worker did, a line a shard, in a file of its own: for progress, speed and hashes.

The rows themselves are the truth; a line that a kill swallowed is found again in the shard's file.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ser_tl.archive.lease import identify_process


@dataclass(frozen=True)
class ShardResult:
    """What became of a shard.

    Args:
        shard: its index
        sha256: of its file
        clips: inputs
        rows: more than clips where windows have rows of their own
        errors: clips that couldn't be used
        audio_seconds: of those that could
    """

    shard: int
    sha256: str
    clips: int
    rows: int
    errors: int
    audio_seconds: float


@dataclass(frozen=True)
class Line:
    """A line of a journal.

    Args:
        result: of the shard
        worker: name of the journal's file
        begun: seconds since the epoch
        ended: likewise
    """

    result: ShardResult
    worker: str
    begun: float
    ended: float


class Journal:
    """A worker's journal; the file is made with its first line.

    Args:
        folder: of all journals
    """

    def __init__(self, folder: Path) -> None:
        host, pid, _ = identify_process()
        self.path = folder / f"{host.partition('/')[0]}-{pid}-{secrets.token_hex(3)}.jsonl"

    def append(self, result: ShardResult, begun: float) -> None:
        """Adds a line, in one write."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = asdict(result) | {"begun": begun, "ended": time.time()}
        handle = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o666)
        try:
            os.write(handle, json.dumps(content).encode("utf-8") + b"\n")
        finally:
            os.close(handle)


def read_journals(folder: Path) -> Iterator[Line]:
    """The lines of all workers; those that a kill cut off are left out."""
    for path in sorted(folder.glob("*.jsonl")):
        for text in path.read_text(encoding="utf-8").splitlines():
            try:
                content = json.loads(text)
                begun, ended = content.pop("begun"), content.pop("ended")
                yield Line(ShardResult(**content), path.stem, begun, ended)
            except (ValueError, TypeError, KeyError):
                continue
