"""An emotion field beside an existing Shar, which lhotse reads with it.

archive of a Shar --write_field--> FOLDER/shar/emotion.000000.jsonl.gz, ... : one file for each of the Shar's tars

CutSet.from_shar({"cuts": [...], "recording": [...], "emotion": [...]})  ->  cut.emotion["label"]
"""

import gzip
import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from ser_tl.archive.description import Archive
from ser_tl.archive.sources.lhotse import is_shar
from ser_tl.archive.storage import find_kind, make_absolute
from ser_tl.files import write_atomically

FIELD = "emotion"
FOLDER = "shar"

_KEPT = ("label", "probabilities", "dimensions", "confidence", "calibrated", "abstained", "error", "model")


def annotates_shar(archive: Archive) -> bool:
    """Whether an archive's source is a Shar."""
    source = make_absolute(archive.source)
    return find_kind(source) == "folder" and is_shar(source)


def write_field(archive: Archive) -> list[Path]:
    """Writes the field of a finished archive of a Shar.

    Args:
        archive: with a row a cut, or with windows, which are a list then

    Returns:
        The files, in the order of the Shar's.

    Raises:
        StorageError: they can't be written
    """
    folder = archive.folder / FOLDER
    folder.mkdir(exist_ok=True)
    paths = []
    for tar, cuts in groupby(_iter_cuts(archive), key=lambda item: item[0]):
        path = folder / f"{FIELD}.{tar.rsplit('/', 1)[-1].split('.')[1]}.jsonl.gz"
        # Without a name and a time in its header, the file is the same in every run.
        with (
            write_atomically(path) as part,
            part.open("wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as stream,
        ):
            for _, cut, value in cuts:
                stream.write(json.dumps({"cut_id": cut, FIELD: value}, ensure_ascii=False).encode() + b"\n")
        paths.append(path)
    return paths


def _iter_cuts(archive: Archive) -> Iterator[tuple[str, str, Any]]:
    """Each cut's tar, id and value, in the Shar's order."""
    from pyarrow import parquet

    for shard in range(archive.shards):
        rows = parquet.read_table(archive.shard_path(shard)).to_pylist()
        for (path, cut), group in groupby(rows, key=lambda row: (row["path"], row["id"])):
            values = [_make_value(row, spans=archive.options.segments) for row in group]
            yield path, cut, values if archive.options.segments else values[0]


def _make_value(row: dict[str, Any], *, spans: bool) -> dict[str, Any]:
    columns = (*_KEPT, "start", "end") if spans else _KEPT
    return {name: row[name] for name in columns if row.get(name) is not None}
