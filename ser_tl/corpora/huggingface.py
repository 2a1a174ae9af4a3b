"""Datasets of the Hugging Face library: from the hub, saved to disk, as Parquet, or as an audiofolder.

    user/name                               on the hub, or in its cache
    ROOT/dataset_dict.json or state.json    written by save_to_disk
    ROOT/data/train-00000-of-00001.parquet  written by push_to_hub, downloaded
    corpus.parquet, corpus.feather          a table that pandas or polars wrote, audio as paths beside it or as bytes
    ROOT/metadata.csv (or .jsonl)           an audiofolder: file_name, from the metadata's folder, and the labels

The columns are audio (file_name in an audiofolder) and those of `corpora.table`; audio and emotion are needed, and
the option columns renames others: {"emotion": "label"}. Labels stored as
numbers take their names from the dataset. An id that isn't given is the file's name without ending, or its path where
two share a name, or split and row (train/17) where there are no names, or rows that carry their audio share them.

All splits make one corpus: published splits seldom keep speakers apart, so the protocol chooses the test speakers.
For one configuration, revision or split of a hub dataset, load that with the library, save_to_disk and give the folder.

Audio isn't decoded here, nor by the library, which would need torchcodec for it: the bytes stay where they are, in
files that are mapped into memory. Nor are audiofolders read through the library, which needs torchcodec to list them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import (
    Audio,
    ClassLabel,
    Dataset,
    DatasetDict,
    Features,
    Value,
    concatenate_datasets,
    load_dataset,
    load_from_disk,
)
from datasets.exceptions import DatasetsError

from ser_tl.corpora.base import OTHER_SUFFIXES, find_audio, register_corpus, wrong_root
from ser_tl.corpora.saved_tables import find_tables, is_bytes, is_text, load_tables, read_column
from ser_tl.corpora.table import LABELS, build_rows, format_span, resolve_columns, shorten_names
from ser_tl.data.audio import SUFFIXES as AUDIO
from ser_tl.data.emotions import EmotionMap
from ser_tl.data.records import read_csv, read_jsonl
from ser_tl.data.schema import build_corpus
from ser_tl.errors import CorpusError, listing

LAYOUT = (
    "a hub id such as user/name, a folder that save_to_disk wrote, a Parquet or Arrow file or a folder of them, or an "
    "audiofolder with metadata.csv or metadata.jsonl"
)
NEEDED = ("emotion",)
_STORED = {"bytes": Value("binary"), "path": Value("string")}  # as the library's Audio takes it


@register_corpus(
    "huggingface",
    title="Hugging Face datasets",
    languages=(),
    licence="the data's own",
    layout=LAYOUT,
    takes_columns=True,
    takes_ids=True,
)
def read_huggingface(root: Path | str, emotions: EmotionMap, columns: Mapping[str, str]) -> Dataset:
    """The corpus that a Hugging Face dataset holds.

    Raises:
        CorpusError: the dataset can't be had or isn't one, or its rows lack audio or emotion
        ConfigError: `columns` has a name that isn't ours
    """
    if isinstance(root, Path):
        lists = sorted(path for path in root.rglob("metadata.*") if path.suffix in (".csv", ".jsonl"))
        if lists:
            return _read_audiofolder(root, lists, emotions, columns)
    corpus = root.split("/")[-1] if isinstance(root, str) else root.stem if root.is_file() else root.name
    rows, paths, embedded = [], [], []
    for split, part in _load_splits(root).items():
        source = f"{root}, split {split}"
        allowed = ("audio", *LABELS)
        column_of = resolve_columns(part.column_names, columns, names=allowed, needed=("audio", *NEEDED), source=source)
        labels = {name: _read_values(part, column) for name, column in column_of.items() if name != "audio"}
        records = [
            (index, dict(zip(labels, values, strict=True)))
            for index, values in enumerate(zip(*labels.values(), strict=True))
        ]
        read = build_rows(records, emotions, source=source, needed=NEEDED, corpus=corpus, unit="row")
        rows += [row | {"place": f"{split}/{index}"} for index, row in enumerate(read)]
        files, audio = _read_audio(part, column_of["audio"], source)
        paths += files
        embedded += [audio] if audio is not None else []
    short = shorten_names([path for path in paths if path is not None])
    names = [name + format_span(row) for name, row in zip(short, rows, strict=False)]
    # Bytes lie in their own row whatever it is called, and many recordings are called alike: 001.wav of each speaker.
    if len(short) < len(paths) or (embedded and len(set(names)) < len(names)):
        names = [row["place"] + format_span(row) for row in rows]
    for row, name in zip(rows, names, strict=True):
        row["id"] = row["id"] or name
    if embedded:
        if sum(map(len, embedded)) < len(rows):
            raise CorpusError(f"{root}: some splits carry their audio and others point at files; save them alike")
        return build_corpus(rows, source=str(root), mapping=emotions, audio=concatenate_datasets(embedded))
    home = Path() if isinstance(root, str) else root.parent if root.is_file() else root
    table = [row | {"audio": home / str(path)} for row, path in zip(rows, paths, strict=True)]
    return build_corpus(table, source=str(root), mapping=emotions)


def _load_splits(root: Path | str) -> dict[str, Dataset]:
    """The parts of a dataset, of the hub or on disk, by name."""
    saved = isinstance(root, Path) and any((root / name).is_file() for name in ("dataset_dict.json", "state.json"))
    files = find_tables(root) if isinstance(root, Path) and not saved else []
    if isinstance(root, Path) and not saved and not files:
        raise wrong_root(root, LAYOUT)
    # Tables of a repository, as push_to_hub wrote them, may have configurations and splits, which the library reads.
    only_parquet = all(path.suffix == ".parquet" for path in files) and isinstance(root, Path) and root.is_dir()
    only_parquet = only_parquet and not any(
        path.suffix.lower() in (*AUDIO, *OTHER_SUFFIXES) for path in Path(root).rglob("*")
    )
    try:
        if isinstance(root, Path) and files and not only_parquet:
            return load_tables(root, files)
        loaded: Any = load_from_disk(root) if saved else load_dataset(str(root))
    except (OSError, ValueError, ImportError, RuntimeError, DatasetsError) as error:
        way_out = (
            f"There is no folder of this name; is it the right hub id, and is the network there? Otherwise download it "
            f"(hf download --repo-type dataset {root} --local-dir FOLDER), or load what you want of it with the "
            f"library and save_to_disk(FOLDER), and give FOLDER as `root`"
            if isinstance(root, str)
            else "Save it again with save_to_disk, or as Parquet whose columns are text, numbers, lists of text and "
            "audio"
        )
        raise CorpusError(
            f"{root}: the library datasets can't load it ({type(error).__name__}: {error}). {way_out}"
        ) from error
    return {str(name): part for name, part in loaded.items()} if isinstance(loaded, DatasetDict) else {"all": loaded}


def _read_values(part: Dataset, column: str) -> list[Any]:
    """The values of a column, numbered labels by their names."""
    values, feature = read_column(part, column), part.features[column]
    if isinstance(feature, ClassLabel):
        return [None if value is None or value < 0 else feature.names[value] for value in values]
    inner = getattr(feature, "feature", None)
    if isinstance(inner, ClassLabel):
        return [None if value is None else [inner.names[label] for label in value] for value in values]
    return values


def _read_audio(part: Dataset, column: str, source: str) -> tuple[list[str | None], Dataset | None]:
    """The files' paths, and where the dataset carries their bytes, these, in a column audio."""
    feature, audio = part.features[column], part.select_columns([column]).rename_columns({column: "audio"})
    if is_text(feature):
        files = read_column(audio, "audio")
        empty = [f"row {index}" for index, path in enumerate(files) if not path]
        if empty:
            raise CorpusError(
                f"{source}: {len(empty)} rows have no path in the column {column}; fill it in or take them out\n"
                f"{listing(empty)}"
            )
        return files, None
    is_embedded = isinstance(feature, dict) and set(feature) == {"bytes", "path"}
    if not (isinstance(feature, Audio) or is_embedded or is_bytes(feature)):
        raise CorpusError(
            f"{source}: the column {column} holds {feature}; expected is audio, or the paths or bytes of files"
        )
    audio = audio.cast(Features({"audio": _STORED})) if is_embedded else audio
    audio = audio.cast_column("audio", Value("binary")) if is_bytes(feature) else audio
    audio = audio.cast_column("audio", Audio(decode=False))
    arrow = audio.with_format("arrow")[:]["audio"]  # not as Python objects: these would be copies of all bytes
    fields = dict(zip((field.name for field in arrow.type), arrow.flatten(), strict=True))
    paths, missing = fields["path"].to_pylist(), fields["bytes"].null_count
    if missing == 0:
        return paths, audio
    empty = [f"row {index}" for index, path in enumerate(paths) if path is None and not arrow[index].as_py()["bytes"]]
    if missing < len(part) or empty:
        raise CorpusError(
            f"{source}: {missing} of {len(part)} rows don't carry their audio; save the dataset again with "
            f"save_to_disk, which takes all files in, or give them all a path\n{listing(empty)}"
        )
    return paths, None


def _read_audiofolder(root: Path, lists: list[Path], emotions: EmotionMap, columns: Mapping[str, str]) -> Dataset:
    rows = []
    for path in lists:
        records = read_csv(path) if path.suffix == ".csv" else read_jsonl(path)
        available = list(dict.fromkeys(name for _, record in records for name in record))
        names, needed = ("file_name", *LABELS), ("file_name", *NEEDED)
        column_of = resolve_columns(available, columns, names=names, needed=needed, source=path)
        named = [(line, {name: record.get(column) for name, column in column_of.items()}) for line, record in records]
        read = build_rows(named, emotions, source=path, needed=needed, corpus=root.name)
        rows += [row | {"audio": path.parent / row["file_name"]} for row in read]
    listed = {row["audio"].resolve() for row in rows}
    unlisted = [str(path) for path in find_audio(root, LAYOUT, same_names=True) if path.resolve() not in listed]
    if unlisted:
        raise CorpusError(
            f"{root}: {len(unlisted)} audio files are in no metadata; add them there or move them elsewhere\n"
            f"{listing(unlisted)}"
        )
    for row, name in zip(rows, shorten_names([str(row["audio"].relative_to(root)) for row in rows]), strict=True):
        row["id"] = row["id"] or name + format_span(row)
    return build_corpus(rows, source=str(root), mapping=emotions)
