"""What is in an archive: counts by label, language, folder and day; confidence, errors, quality; uncertain clips.

    summarise(archive) -> ArchiveReport: counts alone, in memory that doesn't grow with the archive's rows

Reads the shards one after the other. Independent of pages and pictures.
"""

import heapq
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ser_tl.archive.description import Archive
from ser_tl.archive.drift import BINS, Drift, measure_drift
from ser_tl.archive.sources.columns import find_day
from ser_tl.archive.status import find_done
from ser_tl.errors import CheckpointError
from ser_tl.files import write_text

NO_SPEECH = "(no speech)"
UNKNOWN = "(unknown)"

_COLUMNS = ("id", "path", "segment", "start", "end", "label", "confidence", "abstained", "speech", "quality", "error")
_MORE = ("language", "day", "probabilities")
_REASON = 80  # characters of an error, without the path in front


@dataclass(frozen=True)
class UncertainRow:
    """A row whose confidence is among the lowest.

    Args:
        shard: that holds it
        id: of its clip
        path: of its file
        start: seconds into the recording
        end: likewise
        label: the likeliest emotion all the same
        confidence: its probability
        probabilities: by emotion
    """

    shard: int
    id: str
    path: str | None
    start: float
    end: float
    label: str
    confidence: float
    probabilities: dict[str, float]


@dataclass
class ArchiveReport:
    """What is in an archive.

    Args:
        source: of the archive
        model: its name
        labels: its emotions
        calibrated: whether confidence was fitted to frequencies
        shards: that are there
        missing: that aren't yet
        rows: in shards that are there
        abstained: rows that are marked so
        tables: rows by label, in each language, folder and day
        confidence: rows in each of `BINS` equal bins from 0 to 1
        by_label: the mean confidence of each label
        quality: rows with each flag
        errors: rows by the reason, without the file's name
        drift: against the reference, where there is one
        uncertain: the least certain rows, least certain first
    """

    source: str
    model: str
    labels: list[str]
    calibrated: bool
    shards: int = 0
    missing: int = 0
    rows: int = 0
    abstained: int = 0
    tables: dict[str, dict[str, Counter[str]]] = field(
        default_factory=lambda: {name: {} for name in ("label", "language", "folder", "day")}
    )
    confidence: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))
    by_label: dict[str, float] = field(default_factory=dict)
    quality: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    drift: Drift | None = None
    uncertain: list[UncertainRow] = field(default_factory=list)

    @property
    def label_counts(self) -> Counter[str]:
        """Rows by label."""
        return self.tables["label"].get("all", Counter())

    def write(self, path: Path) -> None:
        """Writes the numbers as JSON."""
        content = vars(self) | {"confidence": self.confidence.tolist(), "drift": self.drift and self.drift.to_dict()}
        content["uncertain"] = [vars(row) for row in self.uncertain]
        write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def summarise(archive: Archive, *, clips: int = 100, reference: str | Path | None = None) -> ArchiveReport:
    """Counts what is in the shards that are there.

    Args:
        archive: finished or not
        clips: how many of the least certain are kept
        reference: a run's predictions.csv or another archive, for the drift of confidence

    Raises:
        CheckpointError: no shard is there yet, or one is damaged
    """
    done = find_done(archive)
    if not done:
        raise CheckpointError(f"{archive.folder}: no shard is finished yet: nothing to report (ser-tl annotate status)")
    model = archive.model
    report = ArchiveReport(archive.source, model.name or "the bundled one", model.labels, model.calibrated)
    report.shards, report.missing = len(done), archive.shards - len(done)
    heap: list[tuple[float, int, UncertainRow]] = []
    order, sums = count(), Counter[str]()
    for shard in done:
        for row in read_rows(archive.shard_path(shard)):
            _count_row(report, row, sums)
            if row["confidence"] is not None and clips:
                item = (-row["confidence"], next(order), _keep_row(shard, row))
                (heapq.heappush if len(heap) < clips else heapq.heappushpop)(heap, item)
    _strip_folders(report)
    report.by_label = {label: sums[label] / report.label_counts[label] for label in model.labels if sums[label]}
    report.uncertain = [row for _, _, row in sorted(heap, key=lambda item: (-item[0], item[1]))]
    if reference is not None:
        report.drift = measure_drift(report.confidence, reference, model.labels)
    return report


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a shard, as far as reports need them.

    Raises:
        CheckpointError: the file is damaged
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            names = [name for name in (*_COLUMNS, *_MORE) if name in file.schema_arrow.names]
            return file.read(columns=names).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise CheckpointError(f"{path}: can't be read ({error}): delete it and annotate again to restore it") from error


def _count_row(report: ArchiveReport, row: dict[str, Any], sums: Counter[str]) -> None:
    report.rows += 1
    if row["error"] is not None:
        report.errors[shorten_error(row["error"], row["path"])] += 1
        return
    label = row["label"] or NO_SPEECH
    keys = {
        "label": "all",
        "language": row["language"] or UNKNOWN,
        "folder": os.path.dirname(row["path"] or "") or UNKNOWN,  # noqa: PTH120 - of millions, and URLs among them
        "day": row["day"] or find_day(row["id"]) or UNKNOWN,
    }
    for table, key in keys.items():
        report.tables[table].setdefault(key, Counter())[label] += 1
    report.quality.update(row["quality"] or [])
    report.abstained += bool(row["abstained"])
    if row["confidence"] is not None:
        report.confidence[min(BINS - 1, int(row["confidence"] * BINS))] += 1
        sums[label] += row["confidence"]


def _keep_row(shard: int, row: dict[str, Any]) -> UncertainRow:
    fields = {name: row[name] for name in ("id", "path", "start", "end", "label", "confidence")}
    return UncertainRow(shard, probabilities=row["probabilities"] or {}, **fields)


def shorten_error(message: str, path: str | None) -> str:
    """The reason in an error, without the file's name and without the way out."""
    text = message.replace(path, "") if path else message
    text = text.strip(" :").partition(": ")[0] if ":" in text else text
    return text.strip(" :")[:_REASON] or "unknown"


def _strip_folders(report: ArchiveReport) -> None:
    """Leaves out of folders' names what all of them begin with."""
    table = report.tables["folder"]
    names = [name for name in table if name != UNKNOWN]
    prefix = os.path.commonpath(names) if names and all("://" not in name for name in names) else ""
    report.tables["folder"] = {
        (name.removeprefix(prefix).strip("/") or "." if name != UNKNOWN else name): counts
        for name, counts in table.items()
    }
