"""Annotates an archive: lists its source or goes on with it, lets an engine compute, and closes the books.

    annotate(SOURCE, FOLDER, model) -> Summary; FOLDER/manifest.json has each shard's hash

Knows engines by name alone.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from ser_tl.archive.description import Archive, RowOptions, is_archive, open_archive
from ser_tl.archive.emotion_field import annotates_shar, write_field
from ser_tl.archive.journal import ShardResult, read_journals
from ser_tl.archive.lease import Heartbeat, Leases
from ser_tl.archive.listing import list_source
from ser_tl.archive.model import open_archive_model, open_model
from ser_tl.archive.pool import Team, run_pool
from ser_tl.archive.shard import read_result
from ser_tl.archive.status import Status, find_done, read_status
from ser_tl.archive.storage import is_remote, make_absolute
from ser_tl.archive.worker import ShardWorker, Share, run_worker
from ser_tl.errors import ConfigError, StorageError
from ser_tl.files import write_text

MANIFEST_FILE = "manifest.json"

Engine = Literal["local", "ray"]


@dataclass(frozen=True)
class Summary:
    """What has become of an archive.

    Args:
        archive: the archive
        finished: whether all shards are there: other machines may still work
        clips: inputs
        rows: of shards that are there
        errors: clips that couldn't be used
        audio_seconds: of those that could
    """

    archive: Archive
    finished: bool
    clips: int
    rows: int
    errors: int
    audio_seconds: float


def annotate(
    source: str | Path,
    output: str | Path,
    model: str | Path | None = None,
    *,
    workers: int = 1,
    segments: bool = False,
    abstain_below: float = 0.0,
    shard_clips: int = 1000,
    device: str | None = None,
    engine: Engine = "local",
    address: str | None = None,
    rank: int = 0,
    world: int = 1,
    on_listed: Callable[[int], None] | None = None,
    on_progress: Callable[[Status], None] | None = None,
) -> Summary:
    """Predicts every recording of a source into Parquet shards. Called again, it goes on.

    Args:
        source: a folder, pattern, list, tars, a saved dataset, a Shar or cuts; on disk, or a URL that fsspec opens
        output: folder of the archive, on a disk that all workers see
        model: folder of a saved or exported model, or its name on a hub; the bundled one if None
        workers: processes, of one thread each; 0 computes in this one
        segments: a row a window of the model's, instead of one a recording
        abstain_below: confidence below which a row is marked as abstained
        shard_clips: recordings in a shard
        device: where models in torch compute
        engine: `local` processes, or `ray`
        address: of a running Ray cluster; a local one if None
        rank: of this machine or task, where several share the folder
        world: how many there are
        on_listed: called with the number of recordings listed
        on_progress: called with the status of all workers

    Raises:
        ConfigError: options contradict each other, or the archive was begun with others
        CorpusError: the source isn't there, or holds nothing
        StorageError: the output can't be written to, or a storage doesn't answer
    """
    _check_options(output, workers, shard_clips, rank, world)
    folder = Path(output).absolute()
    name = None if model is None else make_absolute(str(model)) if Path(model).is_dir() else str(model)
    options = RowOptions(segments, abstain_below)
    archive = _begin(str(source), folder, name, options, shard_clips, device, on_listed)
    if len(find_done(archive)) < archive.shards:
        if engine == "ray":
            from ser_tl.archive.ray_engine import run_ray

            run_ray(archive, workers=workers, address=address, device=device, on_progress=on_progress)
        elif workers == 0:
            with Heartbeat() as heartbeat:
                worker = ShardWorker(archive, open_archive_model(archive, device), heartbeat)
                run_worker(worker, Share(rank, world, wait=world == 1))
        else:
            run_pool(archive, Team(workers, rank, world, device), on_progress)
    return finish(archive)


def _check_options(output: str | Path, workers: int, shard_clips: int, rank: int, world: int) -> None:
    if is_remote(str(output)):
        raise ConfigError(
            f"output {output}: shards are written to a disk that all workers see: name a folder, and copy it to the "
            f"storage when it is finished"
        )
    if Path(output).is_file():
        raise ConfigError(f"output {output} is a file: name a folder, which may be a new one")
    if workers < 0 or shard_clips < 1:
        raise ConfigError("workers: expected 0 or more; `shard_clips`: expected 1 or more")
    if not 0 <= rank < world:
        raise ConfigError(f"rank {rank} of a world of {world}: ranks go from 0 to {world - 1}")


def _begin(
    source: str,
    folder: Path,
    name: str | None,
    options: RowOptions,
    shard_clips: int,
    device: str | None,
    on_listed: Callable[[int], None] | None,
) -> Archive:
    """The archive in a folder, listed by whoever comes first; the others wait for it."""
    _, model = open_model(name, device)
    asked = Archive(folder, source, model, options, 0, shard_clips, [])
    leases = Leases()
    try:
        while not is_archive(folder):
            lease = leases.acquire(folder / "leases" / "listing.json")
            if lease is None:
                time.sleep(0.5)
                continue
            with Heartbeat() as heartbeat:
                heartbeat.lease = lease
                try:
                    if not is_archive(folder):
                        return list_source(source, folder, model, options, shard_clips, on_listed)
                finally:
                    heartbeat.lease = None
                    lease.release()
    except OSError as error:
        raise StorageError(f"{folder}: can't be written to ({error.strerror}): name a folder elsewhere") from error
    archive = open_archive(folder)
    differing = [name for name, value in asked.identity.items() if archive.identity[name] != value]
    if differing:
        before = ", ".join(f"{name} {archive.identity[name]}" for name in differing)
        now = ", ".join(f"{name} {asked.identity[name]}" for name in differing)
        raise ConfigError(
            f"output {folder} was begun with {before}, and {now} is asked for now: name a new folder, or repeat the "
            f"options"
        )
    return archive


def finish(archive: Archive) -> Summary:
    """Counts what is there and, where that is everything, writes the manifest with each shard's hash.

    Raises:
        CheckpointError: a shard is damaged
    """
    there = find_done(archive)
    if len(there) < archive.shards:
        status = read_status(archive)
        return Summary(archive, False, archive.clips, 0, status.errors, status.audio_seconds)
    result_of = {line.result.shard: line.result for line in read_journals(archive.journals)}
    results = [result_of.get(shard) or read_result(archive, shard) for shard in there]
    summary = Summary(
        archive,
        True,
        archive.clips,
        sum(result.rows for result in results),
        sum(result.errors for result in results),
        sum(result.audio_seconds for result in results),
    )
    if annotates_shar(archive):
        write_field(archive)
    _write_manifest(archive, results, summary)
    return summary


def _write_manifest(archive: Archive, results: list[ShardResult], summary: Summary) -> None:
    content = {
        "kind": "ser_tl archive manifest",
        "clips": summary.clips,
        "rows": summary.rows,
        "errors": summary.errors,
        "audio_seconds": round(summary.audio_seconds, 3),
        "model": asdict(archive.model),
        "options": asdict(archive.options),
        "shards": [
            {"file": archive.shard_path(result.shard).relative_to(archive.folder).as_posix(), "inputs": inputs}
            | {name: value for name, value in asdict(result).items() if name != "shard"}
            for result, inputs in zip(results, archive.inputs, strict=True)
        ],
    }
    write_text(archive.folder / MANIFEST_FILE, json.dumps(content, indent=1) + "\n")
