"""Whether a report's probabilities can be acted on: the reliability diagram, and what abstaining buys.

Report --reliability_picture()--> png
"""

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from ser_tl.evaluation.selective import wilson_interval
from ser_tl.reporting.cells import interval_cell, percent
from ser_tl.reporting.plots.canvas import BEST, DEV, OTHER, Target, canvas, plain, write

if TYPE_CHECKING:
    from ser_tl.evaluation.report import Report


def reliability_picture(report: "Report", path: Target) -> None:
    """Draws accuracy against confidence in bins of as many clips each, and risk against coverage.

    Args:
        report: what to draw; with classes
        path: the file to write
    """
    calibration, selection = report.calibration, report.selection
    if calibration is None or selection is None:
        return
    figure = canvas(9.5, 4.6)  # inches
    left, right = figure.subplots(1, 2)
    left.plot([0, 100], [0, 100], color="0.6", linewidth=1, linestyle="--")
    for bin_scores in calibration.bins:
        low, high = wilson_interval(round(bin_scores.accuracy * bin_scores.support), bin_scores.support)
        left.plot([100 * bin_scores.confidence] * 2, [100 * low, 100 * high], color=DEV, alpha=0.35, linewidth=2)
    left.plot(
        [100 * bin_scores.confidence for bin_scores in calibration.bins],
        [100 * bin_scores.accuracy for bin_scores in calibration.bins],
        color=DEV,
        marker="o",
        markersize=4,
    )
    between = (
        ""
        if calibration.interval is None
        else f" ({interval_cell(calibration.interval.low, calibration.interval.high)})"
    )
    left.set(xlabel="confidence in %", ylabel="accuracy in %", xlim=(0, 101), ylim=(0, 101))
    left.set_title(f"ECE {percent(calibration.ece)} %{between}", fontsize=10)
    shares, risks = 100 * np.array(selection.curve).T
    right.plot(shares, risks, color=OTHER, marker="o", markersize=3)
    right.axhline(100 * (1 - selection.accuracy), color="0.6", linewidth=1, linestyle="--")
    right.plot(80, 100 * (1 - selection.accuracy_at_80), color=BEST, marker="o")
    right.set(xlabel="surest clips that are kept, in %", ylabel="of these wrong, in %", xlim=(0, 101))
    right.set_ylim(bottom=0)
    right.set_title(f"AURC {percent(selection.aurc)} %", fontsize=10)
    for axes in (left, right):
        plain(axes)
    figure.suptitle("\n".join(textwrap.wrap(report.title, 100)), fontsize=10, parse_math=False)
    write(figure, path)
