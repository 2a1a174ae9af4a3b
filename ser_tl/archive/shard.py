"""The unit of work: a shard's clips through a predictor, and its file published once.

    Archive.read_clips -> open_recordings -> Predictor.iterate -> make_table -> a new file, synced, linked to its name

The clips of a shard go through the predictor in their order and by themselves: windows share batches with those of
their own shard, so that the file is the same bit for bit whoever computes it beside whatever.
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ser_tl.archive.annotation_rows import META, Answered, make_table
from ser_tl.archive.clip import Clip
from ser_tl.archive.description import Archive
from ser_tl.archive.journal import ShardResult
from ser_tl.archive.quality import QualityMeter
from ser_tl.archive.recordings import open_recordings
from ser_tl.data.decoding.streaming import Window
from ser_tl.errors import AudioError, CheckpointError
from ser_tl.files import write_atomically
from ser_tl.inference import Prediction, Predictor
from ser_tl.inference.recordings import Recording

CRASHED = "decoding it ends the process: convert it to WAV or FLAC, or leave it out"


def compute_shard(archive: Archive, shard: int, predictor: Predictor, crashing: Collection[int] = ()) -> ShardResult:
    """Computes a shard and publishes its file; one that is there by then stays.

    Args:
        archive: whose shard
        shard: its index
        predictor: of the archive's model
        crashing: indices of clips that aren't to be opened, since that ends the process

    Raises:
        CheckpointError: the inputs have changed
        StorageError: the file can't be written, or a remote storage doesn't answer
    """
    path = archive.shard_path(shard)
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path, overwrite=False) as part:
        write_shard(archive, shard, predictor, part, crashing)
    return read_result(archive, shard)


def write_shard(archive: Archive, shard: int, predictor: Predictor, path: Path, crashing: Collection[int] = ()) -> None:
    """Computes a shard into a file of any name; arguments as of `compute_shard`."""
    from pyarrow import parquet

    answered = annotate_clips(archive.read_clips(shard), predictor, crashing)
    parquet.write_table(make_table(answered, archive, shard), path, compression="zstd")


def annotate_clips(clips: list[Clip], predictor: Predictor, crashing: Collection[int] = ()) -> list[Answered]:
    """Each clip with its prediction or error, and the flags of its sound.

    Args:
        clips: in order
        predictor: who predicts
        crashing: indices of clips that aren't to be opened
    """
    errors: dict[int, str] = {}
    order: list[int] = []
    meters: list[QualityMeter] = []
    remaining = [clip for index, clip in enumerate(clips) if index not in crashing]
    indices = [index for index in range(len(clips)) if index not in crashing]

    def open_good() -> Iterator[Recording]:
        for index, recording in zip(indices, open_recordings(remaining), strict=True):
            if isinstance(recording, AudioError):
                errors[index] = str(recording)
            else:
                order.append(index)
                meters.append(QualityMeter())
                yield recording

    def measure(number: int, window: Window) -> None:
        meters[number].add(window.samples)

    stream = predictor.iterate(open_good(), on_error="report", on_window=measure)
    # `order` grows meanwhile
    predictions = {index: prediction for prediction, index in zip(stream, order, strict=False)}
    answered = []
    flags = dict(zip(order, meters, strict=True))
    for index, clip in enumerate(clips):
        if index in crashing:
            errors[index] = f"{clip.name}: {CRASHED}"
        prediction = predictions.get(index) or Prediction("", {}, speech=False, error=errors[index])
        if prediction.error is not None:
            message = _name_source(prediction.error, clip)
            answered.append(Answered(clip, Prediction("", {}, speech=False, error=message), []))
        else:
            answered.append(Answered(clip, prediction, flags[index].flags()))
    return answered


def _name_source(message: str, clip: Clip) -> str:
    """An error that names the clip; those about bytes can't, they know only their number."""
    message = " ".join(message.split())
    return message if clip.name in message or clip.path in message else f"{clip.name}: {message}"


def read_facts(path: Path) -> dict[str, Any]:
    """The facts of a shard's file: clips, errors, rows, ...

    Raises:
        CheckpointError: it is damaged
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        metadata = parquet.read_metadata(path)
        return json.loads((metadata.metadata or {})[META]) | {"rows": metadata.num_rows}
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path}: no shard of an archive that can be read ({error}): delete it and start the same command again"
        ) from error


def read_result(archive: Archive, shard: int) -> ShardResult:
    """What became of a shard, from its file.

    Raises:
        CheckpointError: it is damaged
    """
    path = archive.shard_path(shard)
    facts = read_facts(path)
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    values = {name: facts[name] for name in ("clips", "rows", "errors", "audio_seconds")}
    return ShardResult(shard, sha256, **values)
