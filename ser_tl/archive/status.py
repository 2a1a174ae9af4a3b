"""How far an archive is: read from its files, by whoever wants to know, on any machine that sees them.

read_status(archive or folder) -> Status(shards done, clips, errors, audio s/s, seconds left, who works)
"""

import time
from dataclasses import dataclass
from pathlib import Path

from ser_tl.archive.description import Archive, open_archive
from ser_tl.archive.journal import Line, read_journals
from ser_tl.archive.lease import read_owner
from ser_tl.archive.shard import read_facts

_RECENT = 600.0  # seconds that count for the speed


@dataclass(frozen=True)
class Status:
    """How far an archive is.

    Args:
        shards: in all
        done: shards that are there
        clips: in all
        clips_done: in shards that are there
        errors: clips that couldn't be used
        audio_seconds: of those that could
        clips_rate: clips a second of late, by all workers; 0 where no shard was finished lately
        audio_rate: likewise, seconds of audio
        seconds_left: at that speed; None where it isn't known
        working: shards that are being worked on, each with its worker
    """

    shards: int
    done: int
    clips: int
    clips_done: int
    errors: int
    audio_seconds: float
    clips_rate: float
    audio_rate: float
    seconds_left: float | None
    working: dict[int, str]

    @property
    def finished(self) -> bool:
        """Whether all shards are there."""
        return self.done == self.shards


def read_status(archive: Archive | str | Path) -> Status:
    """How far an archive is.

    Args:
        archive: the archive, or its folder

    Raises:
        CheckpointError: there is none in the folder
    """
    archive = archive if isinstance(archive, Archive) else open_archive(archive)
    there = find_done(archive)
    lines = {line.result.shard: line for line in read_journals(archive.journals)}
    clips = sum(archive.shard_size(shard) for shard in there)
    results = [lines[shard].result for shard in there if shard in lines]
    errors, seconds = sum(result.errors for result in results), sum(result.audio_seconds for result in results)
    for shard in there:
        if shard not in lines:  # its worker was killed before it could write the line
            facts = read_facts(archive.shard_path(shard))
            errors, seconds = errors + facts["errors"], seconds + facts["audio_seconds"]
    clips_rate, audio_rate = _measure_speed([line for shard, line in lines.items() if shard in set(there)])
    left = archive.clips - clips
    return Status(
        archive.shards,
        len(there),
        archive.clips,
        clips,
        errors,
        seconds,
        clips_rate,
        audio_rate,
        0.0 if not left else left / clips_rate if clips_rate else None,
        _find_working(archive, set(there)),
    )


def find_done(archive: Archive) -> list[int]:
    """The shards that are there, in order."""
    paths = (archive.folder / "shards").glob("*/part-*.parquet")
    return sorted(int(path.stem.removeprefix("part-")) for path in paths)


def _measure_speed(lines: list[Line]) -> tuple[float, float]:
    """Clips and seconds of audio a second, by the shards that were finished lately."""
    now = time.time()
    late = [line for line in lines if line.ended > now - _RECENT]
    if not late:
        return 0.0, 0.0
    span = max(1e-3, max(line.ended for line in late) - min(line.begun for line in late))
    clips, audio = sum(line.result.clips for line in late), sum(line.result.audio_seconds for line in late)
    return clips / span, audio / span


def _find_working(archive: Archive, there: set[int]) -> dict[int, str]:
    working = {}
    for path in sorted((archive.folder / "leases").glob("*.json")):
        owner = read_owner(path)
        if owner is not None and path.stem.isdigit() and int(path.stem) not in there:
            working[int(path.stem)] = f"{owner.host.partition('/')[0]}, process {owner.pid}"
    return working
