"""Tables in Parquet and Arrow files, whatever wrote them: pandas, polars, datasets, pyarrow.

    ROOT/data/train-00000-of-00001.parquet, ROOT/corpus.parquet, corpus.feather  --load_tables-->  {split: Dataset}

The same text is stored in many ways: string, large_string (pandas 3, polars, `load_dataset("csv")`), string_view, and
dictionaries of any of them (pandas' categories, polars' Categorical and Enum); `is_text` and `is_bytes` cover them.
The library lists a folder with recordings in it as an audiofolder and decodes them, which needs torchcodec: so files
    are named to it one by one here. Tables stay on disk, mapped into memory.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Value, load_dataset

from ser_tl.errors import CorpusError, listing

FORMATS = {".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow"}
"""Endings of tables' names, each with the library's reader for it."""

_SPLIT = re.compile(r"(train|test|valid|validation|val|dev|eval)(?![a-z])", re.IGNORECASE)
_PARTITION = re.compile(r"[^=]+=[^=]*")


def find_tables(root: Path) -> list[Path]:
    """The tables at a root: the file itself, or all in a folder, sorted; hidden ones aren't looked at.

    Raises:
        CorpusError: they are divided by folders like speaker=anna, whose names hold a column
    """
    paths = [root] if root.is_file() else sorted(root.rglob("*"))
    files = [path for path in paths if path.suffix.lower() in FORMATS and not path.name.startswith((".", "_"))]
    home = root.parent if root.is_file() else root
    divided = [path for path in files if any(map(_PARTITION.fullmatch, path.parent.relative_to(home).parts))]
    if divided:
        raise CorpusError(
            f"{root}: {len(divided)} tables lie in folders that hold a column's values; write the table without "
            f"partitions (pandas: to_parquet without partition_cols)\n{listing(divided)}"
        )
    return files


def load_tables(root: Path, files: Sequence[Path]) -> dict[str, Dataset]:
    """The parts of a corpus that some tables hold, by the split that their names begin with; train where none does.

    Args:
        root: where they are, for messages
        files: of one kind

    Raises:
        CorpusError: files of two kinds
        OSError, ValueError, DatasetsError: the library can't read them
    """
    kinds = sorted({FORMATS[path.suffix.lower()] for path in files})
    if len(kinds) > 1:
        raise CorpusError(f"{root}: tables as {' and as '.join(kinds)}; keep one kind\n{listing(files)}")
    splits: dict[str, list[str]] = {}
    for path in files:
        match = _SPLIT.match(path.stem)
        splits.setdefault(match[1].lower() if match else "train", []).append(str(path))
    loaded: Any = load_dataset(kinds[0], data_files=splits)
    return {str(name): part for name, part in loaded.items()}


def is_text(feature: object) -> bool:
    """Whether a column holds text, in any of Arrow's types for it."""
    return isinstance(feature, Value) and feature.dtype in ("string", "large_string", "string_view")


def is_bytes(feature: object) -> bool:
    """Whether a column holds bytes, in any of Arrow's types for them."""
    return isinstance(feature, Value) and feature.dtype in ("binary", "large_binary", "binary_view")


def read_column(part: Dataset, column: str) -> list[Any]:
    """A column's values as Python's own, those of dictionaries looked up."""
    values = part.select_columns([column]).with_format("arrow")[:][column]
    if str(values.type).startswith("dictionary<"):
        values = values.cast(values.type.value_type)
    return values.to_pylist()
