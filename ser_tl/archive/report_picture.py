"""The picture of an archive: labels, confidence, and labels by day and by language or folder."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ser_tl.archive.drift import BINS
from ser_tl.archive.report import NO_SPEECH, UNKNOWN, ArchiveReport
from ser_tl.reporting.plots.canvas import DEV, OTHER, TRAIN, Target, canvas, colours, legend, plain, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 14
"""Rows of a panel; what is beyond is counted together."""

_LETTERS = 28
_DAYS = 60


def archive_picture(report: ArchiveReport, target: Target) -> None:
    """Draws an archive.

    Args:
        report: what to draw
        target: where to
    """
    figure = canvas(11.5, 8.0)
    panels = figure.subplots(2, 2)
    _draw_labels(panels[0][0], report)
    _draw_confidence(panels[0][1], report)
    days = report.tables["day"]
    dated = {day: days[day] for day in sorted(days) if day != UNKNOWN}
    _draw_shares(panels[1][0], report, merge_days(dated) if dated else days, "day" if dated else "day (none is known)")
    grouped = "language" if set(report.tables["language"]) - {UNKNOWN} else "folder"
    _draw_shares(panels[1][1], report, most_of(report.tables[grouped]), grouped)
    legend(panels[1][1], title="emotion")
    write(figure, target)


def most_of(table: Mapping[str, Counter[str]], most: int = MOST) -> dict[str, Counter[str]]:
    """The largest rows of a table, and one for all others."""
    ordered = sorted(table, key=lambda name: (-table[name].total(), name))
    shown = {name: table[name] for name in ordered[:most]}
    rest = sum((table[name] for name in ordered[most:]), Counter[str]())
    return shown | ({f"{len(ordered) - most} others": rest} if rest else {})


def merge_days(days: Mapping[str, Counter[str]]) -> dict[str, Counter[str]]:
    """Days, or months or years where there are more than can be drawn."""
    for length in (10, 7, 4):
        merged: dict[str, Counter[str]] = {}
        for day, counts in days.items():
            merged[day[:length]] = merged.get(day[:length], Counter()) + counts
        if len(merged) <= _DAYS:
            return merged
    return most_of(days)


def _names(report: ArchiveReport) -> list[str]:
    return [*report.labels, *([NO_SPEECH] if report.label_counts[NO_SPEECH] else [])]


def _draw_labels(axes: "Axes", report: ArchiveReport) -> None:
    names = _names(report)
    total = max(1, report.label_counts.total())
    shares = [100 * report.label_counts[name] / total for name in names]
    positions = np.arange(len(names))[::-1]
    axes.barh(positions, shares, height=0.7, color=DEV, label="this archive")
    for position, name, share in zip(positions, names, shares, strict=True):
        axes.annotate(
            f"{report.label_counts[name]:,}",
            (share, position),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    if report.drift is not None:
        whole = max(1, report.drift.labels.total())
        axes.plot(
            [100 * report.drift.labels[name] / whole for name in names], positions, "D", color=OTHER, label="reference"
        )
        axes.legend(frameon=False, fontsize=8, loc="lower right")
    axes.set_yticks(positions, names, parse_math=False)
    axes.set(xlabel="rows in %", title="Labels")
    axes.margins(x=0.15)
    plain(axes, grid="x")


def _draw_confidence(axes: "Axes", report: ArchiveReport) -> None:
    edges = np.linspace(0.0, 1.0, BINS + 1)
    total = max(1, report.confidence.sum())
    axes.stairs(100 * report.confidence / total, edges, fill=True, color=DEV, alpha=0.75, label="this archive")
    if report.drift is not None:
        whole = max(1, report.drift.histogram.sum())
        axes.stairs(100 * report.drift.histogram / whole, edges, color=OTHER, linewidth=1.8, label="reference")
    axes.set(xlabel="confidence, the top probability", ylabel="rows in %", title="Confidence", xlim=(0, 1))
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    plain(axes, grid="y")


def _draw_shares(axes: "Axes", report: ArchiveReport, table: Mapping[str, Counter[str]], what: str) -> None:
    names = _names(report)
    shades = dict(zip(names, [*colours(len(report.labels)), TRAIN], strict=False))
    rows = list(table)
    positions = np.arange(len(rows))[::-1]
    left = np.zeros(len(rows))
    totals = np.array([max(1, table[row].total()) for row in rows])
    for name in names:
        widths = 100 * np.array([table[row][name] for row in rows]) / totals
        axes.barh(positions, widths, left=left, height=0.8, color=shades[name], label=name)
        left += widths
    every = max(1, len(rows) // 20)
    shown = [f"{_clip(row)} ({total:,})" for row, total in zip(rows, totals, strict=True)]
    axes.set_yticks(positions[::every], shown[::every], fontsize=8, parse_math=False)
    axes.set(xlabel="rows in %", title=f"Labels by {what}", xlim=(0, 100))
    axes.set_ylim(min(-0.6, len(rows) - 6.0), len(rows) - 0.4)
    plain(axes, grid="x")


def _clip(name: str) -> str:
    return name if len(name) <= _LETTERS else f"...{name[3 - _LETTERS :]}"
