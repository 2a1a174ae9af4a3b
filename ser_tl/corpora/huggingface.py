"""Datasets of the Hugging Face library: from the hub, saved to disk, as Parquet, or as an audiofolder.

    user/name                               on the hub, or in its cache
    ROOT/dataset_dict.json or state.json    what save_to_disk wrote
    ROOT/data/train-00000-of-00001.parquet  what push_to_hub wrote, downloaded
    corpus.parquet, corpus.feather          a table that pandas or polars wrote, audio as paths beside it or as bytes
    ROOT/metadata.csv (or .jsonl)           an audiofolder: file_name, from the metadata's folder, and the labels

The columns are audio (file_name in an audiofolder) and those of `corpora.table`; audio and emotion are needed, and
the option columns says which holds what where they are called otherwise: {"emotion": "label"}. Labels stored as
numbers take their names from the dataset. An id that isn't given is the file's name without ending, or its path where
two share a name, or split and row (train/17) where there are no names, or rows that carry their audio share them.

All splits make one corpus: published splits seldom keep speakers apart, so who is tested on is the protocol's choice.
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

from ser_tl.corpora.base import OTHER_SUFFIXES, audio_files, register_corpus, wrong_root
from ser_tl.corpora.saved_tables import is_bytes, is_text, load_tables, plain_column, table_files
from ser_tl.corpora.table import LABELS, label_rows, part_of_file, short_names, which_columns
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
        ConfigError: the columns are given a meaning that isn't known
    """
    if isinstance(root, Path):
        lists = sorted(path for path in root.rglob("metadata.*") if path.suffix in (".csv", ".jsonl"))
        if lists:
            return _audiofolder(root, lists, emotions, columns)
    corpus = root.split("/")[-1] if isinstance(root, str) else root.stem if root.is_file() else root.name
    rows, paths, carried = [], [], []
    for split, part in _splits(root).items():
        source = f"{root}, split {split}"
        known = ("audio", *LABELS)
        held = which_columns(part.column_names, columns, known=known, needed=("audio", *NEEDED), source=source)
        labels = {ours: _values(part, theirs) for ours, theirs in held.items() if ours != "audio"}
        records = [
            (place, dict(zip(labels, values, strict=True)))
            for place, values in enumerate(zip(*labels.values(), strict=True))
        ]
        read = label_rows(records, emotions, source=source, needed=NEEDED, corpus=corpus, unit="row")
        rows += [row | {"place": f"{split}/{place}"} for place, row in enumerate(read)]
        files, audio = _audio(part, held["audio"], source)
        paths += files
        carried += [audio] if audio is not None else []
    named = short_names([path for path in paths if path is not None])
    names = [name + part_of_file(row) for name, row in zip(named, rows, strict=False)]
    # Bytes lie in their own row whatever it is called, and many recordings are called alike: 001.wav of each speaker.
    if len(named) < len(paths) or (carried and len(set(names)) < len(names)):
        names = [row["place"] + part_of_file(row) for row in rows]
    for row, name in zip(rows, names, strict=True):
        row["id"] = row["id"] or name
    if carried:
        if sum(map(len, carried)) < len(rows):
            raise CorpusError(f"{root}: some splits carry their audio and others point at files; save them alike")
        return build_corpus(rows, source=str(root), mapping=emotions, audio=concatenate_datasets(carried))
    home = Path() if isinstance(root, str) else root.parent if root.is_file() else root
    table = [row | {"audio": home / str(path)} for row, path in zip(rows, paths, strict=True)]
    return build_corpus(table, source=str(root), mapping=emotions)


def _splits(root: Path | str) -> dict[str, Dataset]:
    """The parts of a dataset, of the hub or on disk, by name."""
    saved = isinstance(root, Path) and any((root / name).is_file() for name in ("dataset_dict.json", "state.json"))
    files = table_files(root) if isinstance(root, Path) and not saved else []
    if isinstance(root, Path) and not saved and not files:
        raise wrong_root(root, LAYOUT)
    # Tables of a repository, as push_to_hub wrote them, may have configurations and splits: the library's to tell.
    alone = all(path.suffix == ".parquet" for path in files) and isinstance(root, Path) and root.is_dir()
    alone = alone and not any(path.suffix.lower() in (*AUDIO, *OTHER_SUFFIXES) for path in Path(root).rglob("*"))
    try:
        if isinstance(root, Path) and files and not alone:
            return load_tables(root, files)
        found: Any = load_from_disk(root) if saved else load_dataset(str(root))
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
    return {str(name): part for name, part in found.items()} if isinstance(found, DatasetDict) else {"all": found}


def _values(part: Dataset, column: str) -> list[Any]:
    """The values of a column, numbered labels by their names."""
    values, feature = plain_column(part, column), part.features[column]
    if isinstance(feature, ClassLabel):
        return [None if value is None or value < 0 else feature.names[value] for value in values]
    inner = getattr(feature, "feature", None)
    if isinstance(inner, ClassLabel):
        return [None if value is None else [inner.names[label] for label in value] for value in values]
    return values


def _audio(part: Dataset, column: str, source: str) -> tuple[list[str | None], Dataset | None]:
    """The files' paths, and where the dataset carries their bytes, these, in a column audio."""
    feature, only = part.features[column], part.select_columns([column]).rename_columns({column: "audio"})
    if is_text(feature):
        files = plain_column(only, "audio")
        empty = [f"row {place}" for place, path in enumerate(files) if not path]
        if empty:
            raise CorpusError(
                f"{source}: {len(empty)} rows have no path in the column {column}; fill it in or take them out\n"
                f"{listing(empty)}"
            )
        return files, None
    carries = isinstance(feature, dict) and set(feature) == {"bytes", "path"}
    if not (isinstance(feature, Audio) or carries or is_bytes(feature)):
        raise CorpusError(
            f"{source}: the column {column} holds {feature}; expected is audio, or the paths or bytes of files"
        )
    only = only.cast(Features({"audio": _STORED})) if carries else only
    only = only.cast_column("audio", Value("binary")) if is_bytes(feature) else only
    only = only.cast_column("audio", Audio(decode=False))
    arrow = only.with_format("arrow")[:]["audio"]  # not as Python objects: these would be copies of all bytes
    fields = dict(zip((field.name for field in arrow.type), arrow.flatten(), strict=True))
    paths, without = fields["path"].to_pylist(), fields["bytes"].null_count
    if without == 0:
        return paths, only
    empty = [f"row {place}" for place, path in enumerate(paths) if path is None and not arrow[place].as_py()["bytes"]]
    if without < len(part) or empty:
        raise CorpusError(
            f"{source}: {without} of {len(part)} rows don't carry their audio; save the dataset again with "
            f"save_to_disk, which takes all files in, or give them all a path\n{listing(empty)}"
        )
    return paths, None


def _audiofolder(root: Path, lists: list[Path], emotions: EmotionMap, columns: Mapping[str, str]) -> Dataset:
    rows = []
    for path in lists:
        records = read_csv(path) if path.suffix == ".csv" else read_jsonl(path)
        found = list(dict.fromkeys(name for _, record in records for name in record))
        known, needed = ("file_name", *LABELS), ("file_name", *NEEDED)
        held = which_columns(found, columns, known=known, needed=needed, source=path)
        named = [(line, {ours: record.get(theirs) for ours, theirs in held.items()}) for line, record in records]
        read = label_rows(named, emotions, source=path, needed=needed, corpus=root.name)
        rows += [row | {"audio": path.parent / row["file_name"]} for row in read]
    listed = {row["audio"].resolve() for row in rows}
    alone = [str(path) for path in audio_files(root, LAYOUT, same_names=True) if path.resolve() not in listed]
    if alone:
        raise CorpusError(
            f"{root}: {len(alone)} audio files are in no metadata; add them there or move them elsewhere\n"
            f"{listing(alone)}"
        )
    for row, name in zip(rows, short_names([str(row["audio"].relative_to(root)) for row in rows]), strict=True):
        row["id"] = row["id"] or name + part_of_file(row)
    return build_corpus(rows, source=str(root), mapping=emotions)
