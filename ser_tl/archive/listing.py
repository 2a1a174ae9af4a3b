"""Lists a source into shards, once, before any work: FOLDER/inputs/*.parquet with a row group a shard.

    source --sources.list_clips--> batches of `shard_clips` --> inputs-000.parquet ... --> archive.json

Memory stays level: a shard's clips at a time, and eight bytes a clip to find ids that stand there twice.
"""

import hashlib
import secrets
import shutil
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ser_tl.archive.clip import COLUMNS, Clip, hash_clips, to_columns
from ser_tl.archive.description import SHARDS_A_FILE, Archive, ModelFacts, RowOptions, inputs_path
from ser_tl.archive.package_versions import find_versions
from ser_tl.archive.sources import list_clips
from ser_tl.errors import CorpusError, StorageError, listing

_SHOWN = 10


def list_source(
    source: str,
    folder: Path,
    model: ModelFacts,
    options: RowOptions,
    shard_clips: int,
    on_shard: Callable[[int], None] | None = None,
) -> Archive:
    """Lists a source and writes the archive's description.

    Args:
        source: what `sources.list_clips` takes
        folder: of the archive
        model: who annotates
        options: what rows are
        shard_clips: clips in a shard
        on_shard: called with the number of clips listed

    Raises:
        CorpusError: there is nothing to annotate, or ids aren't unique
        StorageError: the folder can't be written to, or a remote storage doesn't answer
    """
    skipped: Counter[str] = Counter()
    scratch = folder / f".inputs.{secrets.token_hex(4)}.part"
    try:
        scratch.mkdir(parents=True)
        hashes, keys = _write_shards(list_clips(source, skipped), scratch, shard_clips, on_shard)
        if not hashes:
            counts = ", ".join(f"{count} of {suffix}" for suffix, count in skipped.most_common(5)) or "no files at all"
            raise CorpusError(
                f"{source}: no recordings to annotate (found {counts}): name a folder, pattern or list with some"
            )
        _check_unique(keys, scratch, len(hashes))
        shutil.rmtree(folder / "inputs", ignore_errors=True)  # of a listing that was killed before its description
        (scratch / "inputs").replace(folder / "inputs")
        archive = Archive(
            folder,
            source,
            model,
            options,
            len(keys),
            shard_clips,
            hashes,
            dict(sorted(skipped.items())),
            find_versions(),
        )
        archive.write()
    except OSError as error:
        raise StorageError(
            f"{folder}: the list of inputs can't be written ({error.strerror or error}): make room, or give a "
            f"folder elsewhere"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return archive


def _write_shards(
    clips: Iterator[Clip], scratch: Path, shard_clips: int, on_shard: Callable[[int], None] | None
) -> tuple[list[str], array]:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, getattr(pa, kind)()) for name, kind in COLUMNS.items()])
    hashes: list[str] = []
    keys = array("Q")
    (scratch / "inputs").mkdir()
    writer: Any = None
    try:
        while batch := list(islice(clips, shard_clips)):
            if len(hashes) % SHARDS_A_FILE == 0:
                if writer is not None:
                    writer.close()
                writer = parquet.ParquetWriter(inputs_path(scratch, len(hashes)), schema, compression="zstd")
            writer.write_table(pa.table(to_columns(batch), schema=schema), row_group_size=shard_clips)
            hashes.append(hash_clips(batch))
            keys.extend(_hash_id(clip.id) for clip in batch)
            if on_shard is not None:
                on_shard(len(keys))
    finally:
        if writer is not None:
            writer.close()
    return hashes, keys


def _hash_id(identity: str) -> int:
    return int.from_bytes(hashlib.blake2b(identity.encode("utf-8"), digest_size=8).digest())


def _check_unique(keys: array, scratch: Path, shards: int) -> None:
    """Refuses ids that stand there twice: rows are found by them."""
    ordered = np.frombuffer(keys, dtype=np.uint64)
    ordered.sort()  # in place: of 10^8 clips it takes 0.8 GB
    again = set(np.unique(ordered[1:][ordered[1:] == ordered[:-1]]).tolist())
    if not again:
        return
    counts = Counter(identity for identity in _iter_ids(scratch, shards) if _hash_id(identity) in again)
    twice = [f"{identity} ({count} times)" for identity, count in counts.items() if count > 1]
    if twice:
        raise CorpusError(
            f"{len(twice)} ids aren't unique: give each clip of the list an id of its own (a column `id`), or take the "
            f"copies out\n{listing(twice, _SHOWN)}"
        )


def _iter_ids(scratch: Path, shards: int) -> Iterable[str]:
    from pyarrow import parquet

    for shard in range(0, shards, SHARDS_A_FILE):
        with parquet.ParquetFile(inputs_path(scratch, shard)) as file:
            for batch in file.iter_batches(columns=["id"]):
                yield from batch.column("id").to_pylist()
