"""How far a model's confidence on an archive is from that on data it is known on: its training corpus or its test part.

    histogram, reference --measure_drift--> Drift: Kolmogorov-Smirnov distance, population stability index, means

A reference is a run's predictions.csv, or an archive of the training corpus by the same model.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ser_tl.archive.description import is_archive, open_archive
from ser_tl.archive.status import find_done
from ser_tl.errors import CheckpointError, ConfigError

BINS = 50
"""Equal bins of confidence from 0 to 1."""

_COARSE = 10  # bins of the stability index
_FLOOR = 1e-4  # share of an empty bin, so that its logarithm is finite

STABLE, SHIFTED = 0.1, 0.25
"""Population stability index below which a distribution counts as the same, and above which as another one."""


@dataclass(frozen=True)
class Drift:
    """Two distributions of confidence.

    Args:
        reference: what the archive is compared with
        histogram: of the reference's confidence, `BINS` counts
        labels: the reference's rows by label
        mean: of the archive's confidence
        reference_mean: of the reference's
        distance: Kolmogorov-Smirnov's, 0 to 1, from the bins
        stability: population stability index over ten bins
    """

    reference: str
    histogram: np.ndarray
    labels: Counter[str]
    mean: float
    reference_mean: float
    distance: float
    stability: float

    @property
    def verdict(self) -> str:
        """The index in words."""
        if self.stability < STABLE:
            return "about as sure as on the reference"
        change = "less" if self.mean < self.reference_mean else "more"
        return f"{'clearly' if self.stability > SHIFTED else 'somewhat'} {change} sure than on the reference"

    def to_dict(self) -> dict[str, Any]:
        """The numbers."""
        return {**vars(self), "histogram": self.histogram.tolist(), "labels": dict(self.labels)}


def measure_drift(histogram: np.ndarray, reference: str | Path, names: Sequence[str]) -> Drift | None:
    """Compares an archive's confidence with a reference's.

    Args:
        histogram: the archive's, `BINS` counts
        reference: a predictions.csv, or the folder of an archive
        names: the model's emotions

    Raises:
        CheckpointError: no such reference, or it is damaged
        ConfigError: of another model: the emotions differ
    """
    values, counts, what = _read_reference(Path(reference), names)
    if not histogram.sum() or not len(values):
        return None
    other = np.histogram(values, BINS, (0.0, 1.0))[0]
    share, reference_share = histogram / histogram.sum(), other / other.sum()
    centres = (np.arange(BINS) + 0.5) / BINS
    coarse = [np.maximum(shares.reshape(_COARSE, -1).sum(axis=1), _FLOOR) for shares in (share, reference_share)]
    return Drift(
        reference=what,
        histogram=other,
        labels=counts,
        mean=float(share @ centres),
        reference_mean=float(values.mean()),
        distance=float(np.abs(np.cumsum(share) - np.cumsum(reference_share)).max()),
        stability=float(((coarse[0] - coarse[1]) * np.log(coarse[0] / coarse[1])).sum()),
    )


def find_reference(model: str | None) -> Path | None:
    """The predictions of the run that a model comes from, where they lie beside it."""
    path = None if model is None else Path(model).parent / "predictions.csv"
    return path if path is not None and path.is_file() else None


def _read_reference(path: Path, names: Sequence[str]) -> tuple[np.ndarray, Counter[str], str]:
    if path.is_dir() and is_archive(path):
        return _read_archive(path, names)
    if path.is_dir():
        path = path / "predictions.csv"
    if not path.is_file():
        raise CheckpointError(f"reference {path}: no such file: name a run's predictions.csv, or an archive's folder")
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    labels = [name.removeprefix("p_") for name in (rows[0] if rows else {}) if name.startswith("p_")]
    _check_labels(path, labels, names)
    try:
        values = np.array([max(float(row[f"p_{name}"]) for name in labels) for row in rows])
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"reference {path}: not a run's predictions ({error})") from error
    what = f"{len(rows)} test clips of {path.parent.name}"
    return values, Counter(row["prediction"] for row in rows), what


def _read_archive(folder: Path, names: Sequence[str]) -> tuple[np.ndarray, Counter[str], str]:
    from pyarrow import parquet

    archive = open_archive(folder)
    _check_labels(folder, archive.model.labels, names)
    values, counts = [np.zeros(0)], Counter[str]()
    for shard in find_done(archive):
        table = parquet.read_table(archive.shard_path(shard), columns=["label", "confidence"]).drop_null()
        values.append(table["confidence"].to_numpy())
        counts.update(table["label"].to_pylist())
    whole = np.concatenate(values)
    return whole, counts, f"{len(whole)} rows of the archive {folder.name}"


def _check_labels(path: Path, labels: Sequence[str], names: Sequence[str]) -> None:
    if set(labels) != set(names):
        raise ConfigError(
            f"reference {path}: of another model, its emotions are {', '.join(labels) or 'none'} and the archive's "
            f"{', '.join(names)}: annotate the training corpus with the archive's model and name that archive"
        )
