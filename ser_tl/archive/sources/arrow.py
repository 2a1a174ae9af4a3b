"""Datasets of the Hugging Face library, read by pyarrow alone: folders of `save_to_disk`, Parquet with audio cells.

    FOLDER/state.json, data-*.arrow --list_saved--> Clip("train/17", reader="arrow", member="17")
    part.parquet --list_parquet--> Clip("part.parquet/17", reader="parquet", member="17")

Rows are known by file and number; listing reads the small columns only.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser_tl.archive.clip import Clip
from ser_tl.archive.sources.columns import columns_of, first_of, read_facts
from ser_tl.archive.storage import is_remote, open_file
from ser_tl.errors import CorpusError

if TYPE_CHECKING:
    import pyarrow as pa

AUDIO = ("audio", "speech", "recording", "wav", "file")


def is_saved(folder: str) -> bool:
    """Whether a folder was written by `save_to_disk`."""
    home = Path(folder)
    return not is_remote(folder) and ((home / "state.json").is_file() or (home / "dataset_dict.json").is_file())


def list_saved(folder: str) -> Iterator[Clip]:
    """The rows of a saved dataset; of all its splits, where it has some.

    Raises:
        CorpusError: it is damaged, or has no column of audio
    """
    home = Path(folder)
    try:
        if (home / "dataset_dict.json").is_file():
            for split in json.loads((home / "dataset_dict.json").read_text("utf-8"))["splits"]:
                yield from _list_state(home / split, f"{split}/")
        else:
            yield from _list_state(home, "")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"{folder}: no dataset that save_to_disk wrote ({error}): save it again") from error


def _list_state(home: Path, prefix: str) -> Iterator[Clip]:
    state = json.loads((home / "state.json").read_text("utf-8"))
    row = 0
    for item in state["_data_files"]:
        path = str(home / item["filename"])
        batches = open_arrow(path)
        column = audio_column(path, batches.schema)
        for number, values in _small_rows(batches.to_batches(), column):
            key = columns_of(values).id
            name = f"{prefix}{values[key] if key else row + number}"
            yield _row_clip(name, path, "arrow", number, values)
        row += batches.num_rows


def _row_clip(name: str, path: str, reader: str, number: int, values: Mapping[str, Any]) -> Clip:
    return read_facts(values).add_to(Clip(name, path, reader, member=str(number)))


def open_arrow(path: str) -> "pa.Table":
    """A file of Arrow's stream format, mapped into memory and not read."""
    import pyarrow as pa

    return pa.ipc.open_stream(pa.memory_map(path)).read_all()


def audio_column(path: str, schema: "pa.Schema") -> str:
    """The column of audio cells: structs with bytes or a path.

    Raises:
        CorpusError: there is none
    """
    column = _find_audio(schema)
    if column is None:
        raise CorpusError(
            f"{path}: no column of audio cells (found {', '.join(schema.names)}): cast one to datasets.Audio"
        )
    return column


def _find_audio(schema: "pa.Schema") -> str | None:
    import pyarrow as pa

    cells = [
        item.name
        for item in schema
        if pa.types.is_struct(item.type) and {"bytes", "path"} <= {inner.name for inner in item.type}
    ]
    return first_of(cells, AUDIO) or (cells[0] if cells else None)


def holds_audio(path: str) -> bool:
    """Whether a Parquet file has a column of audio cells.

    Raises:
        CorpusError: it isn't Parquet
    """
    with open_file(path) as stream:
        return _find_audio(open_parquet(path, stream).schema_arrow) is not None


def open_parquet(path: str, stream: Any) -> Any:  # noqa: ANN401 - files of several libraries; pyarrow has no types
    """A Parquet file.

    Raises:
        CorpusError: it isn't one
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(stream)
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{path}: no Parquet that can be read ({error}): copy it again") from error


def list_parquet(path: str, name: str) -> Iterator[Clip]:
    """The rows of a Parquet file with audio cells.

    Args:
        path: of the file
        name: what the ids begin with
    """
    with open_file(path) as stream:
        file = open_parquet(path, stream)
        column = audio_column(path, file.schema_arrow)
        others = [item for item in file.schema_arrow.names if item != column]
        if not others:
            for number in range(file.metadata.num_rows):
                yield _row_clip(f"{name}/{number}", path, "parquet", number, {})
            return
        for number, values in _small_rows(file.iter_batches(columns=others), column):
            key = columns_of(values).id
            yield _row_clip(f"{name}/{values[key] if key else number}", path, "parquet", number, values)


def _small_rows(batches: Any, column: str) -> Iterator[tuple[int, dict[str, Any]]]:  # noqa: ANN401 - pyarrow's
    """Rows without their audio, and without other columns that hold more than a value."""
    import pyarrow as pa

    row = 0
    for batch in batches:
        names = [item.name for item in batch.schema if item.name != column and not pa.types.is_nested(item.type)]
        columns = {name: batch.column(name).to_pylist() for name in names}
        for index in range(batch.num_rows):
            yield row + index, {name: values[index] for name, values in columns.items()}
        row += batch.num_rows


def read_rows(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a Parquet file that lists paths, numbered from 1.

    Raises:
        CorpusError: it isn't Parquet
    """
    with open_file(path) as stream:
        for number, values in _small_rows(open_parquet(path, stream).iter_batches(), ""):
            yield number + 1, values
