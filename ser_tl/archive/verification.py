"""Whether an archive is what it was when it was finished, and what its model still answers.

verify(folder, share) -> Verification: every file's hash against the manifest, a share of shards computed again
"""

import hashlib
import json
import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser_tl.archive.annotation import MANIFEST_FILE, finish
from ser_tl.archive.description import Archive, open_archive
from ser_tl.archive.model import open_archive_model
from ser_tl.archive.shard import write_shard
from ser_tl.errors import CheckpointError, ConfigError

TOLERANCE = 1e-4
"""By which probabilities may differ on another processor; on the same one shards are equal bit for bit."""


@dataclass(frozen=True)
class Verification:
    """What was found.

    Args:
        shards: whose hashes were compared
        damaged: files that are missing, or aren't what the manifest says
        again: shards that were computed again
        identical: those that came out bit for bit the same
        largest: difference of any probability or dimension
        differing: rows whose label, error or numbers differ by more than the tolerance
    """

    shards: int
    damaged: list[str]
    again: int
    identical: int
    largest: float
    differing: list[str]

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damaged and not self.differing


def verify(folder: str | Path, share: float, device: str | None = None) -> Verification:
    """Verifies a finished archive.

    Args:
        folder: of the archive
        share: of its shards that are computed again, at least one; 0 compares hashes alone
        device: where models in torch compute

    Raises:
        CheckpointError: the archive isn't finished, or its model isn't there any more
        ConfigError: no share
    """
    if not 0.0 <= share <= 1.0:
        raise ConfigError(f"verify {share}: expected a share from 0 to 1, such as 0.01")
    archive = open_archive(folder)
    path = archive.folder / MANIFEST_FILE
    if not path.is_file() and not finish(archive).finished:
        raise CheckpointError(f"{archive.folder}: not finished: start `ser-tl annotate` with it again, verify it then")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    damaged = [item["file"] for item in manifest["shards"] if _hash(archive.folder / item["file"]) != item["sha256"]]
    count = min(archive.shards, max(1, round(share * archive.shards))) if share else 0
    chosen = sorted(random.Random(archive.inputs[0]).sample(range(archive.shards), count))  # noqa: S311 - no secret
    identical, largest, differing = 0, 0.0, []
    predictor = open_archive_model(archive, device) if chosen else None
    for shard in chosen:
        if predictor is None or not archive.shard_path(shard).is_file():
            continue
        with tempfile.TemporaryDirectory(prefix="ser_tl_verify_") as scratch:
            again = Path(scratch) / "again.parquet"
            write_shard(archive, shard, predictor, again)
            if _hash(again) == _hash(archive.shard_path(shard)):
                identical += 1
                continue
            difference, rows = compare_shards(archive, shard, again)
        largest = max(largest, difference)
        differing += rows
    return Verification(archive.shards, damaged, count, identical, largest, differing)


def compare_shards(archive: Archive, shard: int, other: Path) -> tuple[float, list[str]]:
    """The largest difference of any number, and the rows that differ by more than the tolerance.

    Args:
        archive: whose shard
        shard: its index
        other: another file of the same shard
    """
    from pyarrow import ArrowException, parquet

    try:
        before = parquet.read_table(archive.shard_path(shard)).to_pylist()
    except (OSError, ArrowException):
        return 0.0, [f"shard {shard}: can't be read"]
    after = parquet.read_table(other).to_pylist()
    if [row["id"] for row in before] != [row["id"] for row in after]:
        return 0.0, [f"shard {shard}: other rows"]
    largest, differing = 0.0, []
    for old, new in zip(before, after, strict=True):
        difference = max((abs(a - b) for a, b in zip(_numbers(old), _numbers(new), strict=False)), default=0.0)
        largest = max(largest, difference)
        plain = [(row["label"], row["error"], row["start"], row["end"], len(_numbers(row))) for row in (old, new)]
        if difference > TOLERANCE or plain[0] != plain[1]:
            differing.append(str(old["id"]))
    return largest, differing


def _numbers(row: dict[str, Any]) -> list[float]:
    return [*(row.get("probabilities") or {}).values(), *(row.get("dimensions") or {}).values()]


def _hash(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
