"""The folders of reports and comparisons."""

import csv
import json
import shutil
from dataclasses import asdict, fields
from pathlib import Path

from ser_tl.comparison import Comparison, ComparisonRow
from ser_tl.evaluation import Report
from ser_tl.files import write_atomically, write_text
from ser_tl.reporting.comparison_text import pair_cells, row_cells
from ser_tl.reporting.html import comparison_page
from ser_tl.reporting.plots import comparison_picture, confusion_picture, dimensions_picture, reliability_picture
from ser_tl.reporting.plots.canvas import FORMATS
from ser_tl.reporting.text import markdown, table

_PICTURES = {"confusion": confusion_picture, "reliability": reliability_picture}


def draw_report(report: Report, folder: Path, *, pictures: Path | None = None) -> None:
    """Writes confusion.png and reliability.png, and the formats of `choose_formats`; nothing of a report of dimensions.

    Args:
        report: with classes, or without
        folder: is there
        pictures: a folder that has those of this very report, to copy them from

    Raises:
        StorageError: the disk is full, or the folder can't be written to
    """
    for name, draw in _PICTURES.items() if report.scores else ():
        files = [f"{name}.{form}" for form in ("png", *FORMATS)]
        if pictures is not None and all((pictures / file).is_file() for file in files):
            for file in files:
                with write_atomically(folder / file) as part:
                    shutil.copyfile(pictures / file, part)
        else:
            draw(report, folder / f"{name}.png")


def write_report(report: Report, folder: str | Path, *, pictures: Path | None = None) -> None:
    """Writes report.md, predictions.csv, the pictures and, when all of them are there, report.json.

    Args:
        report: the figures
        folder: made if it isn't there
        pictures: a folder that has those of this very report

    Raises:
        StorageError: the disk is full, or the folder can't be written to
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report.as_json(), indent=2, ensure_ascii=False, allow_nan=False)
    write_text(folder / "report.md", markdown(report))
    report.predictions.save(folder / "predictions.csv")
    draw_report(report, folder, pictures=pictures)
    if report.dimensions:
        dimensions_picture(report, folder / "dimensions.png")
    write_text(folder / "report.json", text + "\n")  # last: where it is, everything is


def write_comparison(comparison: Comparison, folder: str | Path) -> None:
    """Writes comparison.md, comparison.csv, comparison.png and comparison.html, over older ones.

    Args:
        comparison: rows and pairs
        folder: made if it isn't there

    Raises:
        StorageError: the disk is full, or the folder can't be written to
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        f"# {comparison.title or 'Comparison'}",
        table(*row_cells(comparison.rows)),
        *(f"Note: {note}" for note in comparison.notes),
    ]
    if comparison.pairs:
        parts += ["## Pairs on the same clips", table(*pair_cells(comparison.pairs))]
    write_text(folder / "comparison.md", "\n\n".join(parts) + "\n")
    with write_atomically(folder / "comparison.csv") as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [column.name for column in fields(ComparisonRow)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in comparison.rows)
    comparison_picture(comparison, folder / "comparison.png")
    write_text(folder / "comparison.html", comparison_page(comparison, (folder / "comparison.png").read_bytes()))
