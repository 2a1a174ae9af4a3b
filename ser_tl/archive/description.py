"""What an archive is: its inputs, its model, its options; fixed before work begins, the same for everyone who works.

    FOLDER/archive.json --open_archive--> Archive: where each shard's inputs, rows and lease lie

The file is the last that listing writes: where it is, the inputs are complete. Independent of who works.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from ser_tl.archive.clip import Clip, from_columns, hash_clips
from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.files import write_text

FILE = "archive.json"
KIND = "ser_tl archive"
FORMAT = 1

SHARDS_A_FILE = 1000
"""Of inputs, and of rows in a folder: file systems and Parquet's footers stay quick."""


@dataclass(frozen=True)
class ModelFacts:
    """The model that annotates.

    Args:
        name: as it was named; None for the bundled one
        sha256: of its files
        labels: its emotions
        dimensions: its dimensions
        calibrated: whether its probabilities were fitted to frequencies
    """

    name: str | None
    sha256: str
    labels: list[str]
    dimensions: list[str]
    calibrated: bool = False


@dataclass(frozen=True)
class RowOptions:
    """What rows depend on besides clips and model.

    Args:
        segments: a row a window of the model's, instead of one a clip
        abstain_below: confidence below which a row is marked as abstained

    Raises:
        ConfigError: no share
    """

    segments: bool = False
    abstain_below: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.abstain_below <= 1.0:
            raise ConfigError(f"abstain_below {self.abstain_below}: expected a probability from 0 to 1")


@dataclass(frozen=True)
class Archive:
    """An archive.

    Args:
        folder: where it lies
        source: what was listed
        model: who annotates
        options: what rows are
        clips: how many there are
        shard_clips: at most, in a shard
        inputs: sha256 of each shard's clips
        skipped: files of the source that are no recordings, by ending
        versions: of the packages that rows depend on, where the listing was made
    """

    folder: Path
    source: str
    model: ModelFacts
    options: RowOptions
    clips: int
    shard_clips: int
    inputs: list[str]
    skipped: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def shards(self) -> int:
        """How many there are."""
        return len(self.inputs)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What a command that goes on with the archive has to ask for again."""
        return {
            "source": self.source,
            "model": self.model.sha256,
            "segments": self.options.segments,
            "abstain_below": self.options.abstain_below,
        }

    def shard_path(self, shard: int) -> Path:
        """The file of a shard's rows."""
        return self.folder / "shards" / f"{shard // SHARDS_A_FILE:03}" / f"part-{shard:06}.parquet"

    def lease_path(self, shard: int) -> Path:
        """The file that says who works on a shard."""
        return self.folder / "leases" / f"{shard:06}.json"

    @property
    def journals(self) -> Path:
        """The folder of what workers did."""
        return self.folder / "journals"

    def shard_size(self, shard: int) -> int:
        """The clips of a shard."""
        return min(self.shard_clips, self.clips - shard * self.shard_clips)

    def read_clips(self, shard: int) -> list[Clip]:
        """The clips of a shard.

        Raises:
            CheckpointError: its inputs aren't those that were listed
        """
        import pyarrow as pa
        from pyarrow import parquet

        path = inputs_path(self.folder, shard)
        try:
            with parquet.ParquetFile(path) as file:
                clips = from_columns(file.read_row_group(shard % SHARDS_A_FILE).to_pydict())
        except (OSError, pa.ArrowException) as error:
            raise CheckpointError(
                f"{path}: can't be read ({error}): restore it, or annotate into a new folder"
            ) from error
        if hash_clips(clips) != self.inputs[shard]:
            raise CheckpointError(
                f"{path}: the inputs of shard {shard} aren't those that were listed: restore the file, or annotate "
                f"into a new folder"
            )
        return clips

    def write(self) -> None:
        """Writes the description, whole or not at all."""
        content = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "folder"}
        content |= {"model": asdict(self.model), "options": asdict(self.options)}
        write_text(self.folder / FILE, json.dumps({"kind": KIND, "format": FORMAT} | content, indent=1) + "\n")


def inputs_path(folder: Path, shard: int) -> Path:
    """The file in which a shard's clips are listed."""
    return folder / "inputs" / f"inputs-{shard // SHARDS_A_FILE:03}.parquet"


def is_archive(folder: Path) -> bool:
    """Whether an archive was begun in a folder, and its inputs are listed."""
    return (folder / FILE).is_file()


def open_archive(folder: str | Path) -> Archive:
    """The archive in a folder.

    Raises:
        CheckpointError: there is none, it is damaged, or of a newer version
    """
    folder = Path(folder)
    path = folder / FILE
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: no archive, {FILE} isn't there: name the folder that --output of `ser-tl annotate` made; "
            f"where it was killed while it listed its source, start it again"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: can't be read as JSON ({error}): restore it") from error
    if not isinstance(content, Mapping) or content.get("kind") != KIND:
        raise CheckpointError(f"{path}: not the description of an archive of ser_tl")
    if content.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: format {content.get('format')}, and this ser_tl reads format {FORMAT}: go on with the version "
            f"that began it ({content.get('versions', {}).get('ser_tl', 'unknown')})"
        )
    try:
        values = {item.name: content[item.name] for item in fields(Archive) if item.name != "folder"}
        values |= {"model": ModelFacts(**content["model"]), "options": RowOptions(**content["options"])}
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: incomplete ({error}): restore it") from error
    return Archive(folder=folder, **values)
