"""The confusion matrix of a report, and those of several side by side.

    Report --confusion_picture()--> png        {system: Reports} --confusions_picture()--> png

Labels are printed as they are, so a "$" in one isn't read as mathematics. It computes no figure of merit.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from ser_tl.evaluation.scores import confusion_matrix
from ser_tl.reporting.plots.canvas import COARSE, Target, canvas, write
from ser_tl.reporting.text import UNDEFINED, interval_text, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ser_tl.evaluation.report import Report

_SIDE_BY_SIDE = 3  # matrices in a row
_UNDEFINED_ROW = "0.93"  # light grey, which no share of the blue scale has


def confusion_picture(report: "Report", path: Target) -> None:
    """Draws the confusion matrix: counts and the percent of their row, coloured by the latter.

    Args:
        report: what to draw
        path: the file to write
    """
    labels = report.predictions.labels
    width = max(6.2, 1.6 + 0.85 * len(labels))  # inches
    figure = canvas(width, width)
    axes = figure.add_subplot()
    _matrix(axes, report.confusion, labels, counts_too=True)
    axes.set_xlabel("prediction")
    axes.set_ylabel("reference")
    figure.suptitle(_heading(report, letters=int(12 * width)), fontsize=10, linespacing=1.4, parse_math=False)
    write(figure, path)


def confusions_picture(reports: Mapping[str, "Report | Sequence[Report]"], path: Target) -> None:
    """Draws several systems' confusion matrices side by side, in percent of their rows.

    Args:
        reports: of each system, or one for each of its seeds, whose counts are added up; at least one
        path: the file to write
    """
    reports_of = {
        name: list(system_reports) if isinstance(system_reports, Sequence) else [system_reports]
        for name, system_reports in reports.items()
    }
    columns = min(_SIDE_BY_SIDE, len(reports_of))
    rows = math.ceil(len(reports_of) / columns)
    classes = max(len(system_reports[0].predictions.labels) for system_reports in reports_of.values())
    side = max(2.9, 1.2 + 0.36 * classes)  # inches
    figure = canvas(columns * side + 0.4, rows * (side + 0.25))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(reports_of) :]:
        axes.set_visible(False)
    for index, (axes, (name, system_reports)) in enumerate(zip(grid.flat, reports_of.items(), strict=False)):
        labels = list(dict.fromkeys(label for report in system_reports for label in report.predictions.labels))
        counts = sum(
            (
                confusion_matrix(predictions.references, predictions.predictions, labels)
                for predictions in (report.predictions for report in system_reports)
            ),
            start=np.zeros((len(labels), len(labels)), dtype=np.int64),
        )
        _matrix(axes, counts, labels, counts_too=False)
        uar = fmean(report.uar for report in system_reports)
        title = textwrap.fill(f"{name}: UAR {percent(uar)} %", int(11 * side))
        axes.set_title(title, fontsize=9, parse_math=False)
        if index % columns == 0:
            axes.set_ylabel("reference", fontsize=8)
        if index + columns >= len(reports_of):
            axes.set_xlabel("prediction (% of the reference)", fontsize=8)
    write(figure, path, dpi=COARSE)


def _matrix(axes: "Axes", counts: np.ndarray, labels: Sequence[str], *, counts_too: bool) -> None:
    """One matrix, coloured by the share of its row; each cell says the share, and the count too where asked."""
    import matplotlib as mpl

    support = counts.sum(axis=1, keepdims=True)
    shares = np.where(support > 0, counts / np.maximum(support, 1), np.nan)  # NaN: a class without test examples
    blues = mpl.colormaps["Blues"].with_extremes(bad=_UNDEFINED_ROW)
    axes.imshow(np.ma.masked_invalid(shares), cmap=blues, vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        share = shares[row, column]
        colour = "white" if share > 0.6 else "black"
        text = f"{counts[row, column]}\n{percent(share)} %" if counts_too else f"{100 * share:.0f}"
        text = UNDEFINED if np.isnan(share) else text
        size = 8.5 if counts_too else 7
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=size, linespacing=1.3)
    ticks = np.arange(len(labels))
    size = None if counts_too else 8
    axes.set_xticks(ticks, labels, rotation=35, ha="right", rotation_mode="anchor", parse_math=False, fontsize=size)
    axes.set_yticks(ticks, labels, parse_math=False, fontsize=size)
    axes.set_xticks(ticks[1:] - 0.5, minor=True)
    axes.set_yticks(ticks[1:] - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def _heading(report: "Report", letters: int) -> str:
    lines = textwrap.wrap(report.title, letters)
    lines.append(f"UAR {percent(report.uar)} %, WAR {percent(report.war)} %")
    lines += textwrap.wrap(interval_text(report), letters)
    return "\n".join(lines)
