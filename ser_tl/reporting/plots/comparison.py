"""Systems side by side: their scores, and what the scores cost.

Comparison --comparison_picture(), cost_picture()--> png
"""

import textwrap
from typing import TYPE_CHECKING

from ser_tl.reporting.plots.canvas import BEST, DEV, Target, canvas, legend, marks, plain, write
from ser_tl.reporting.text import percent

if TYPE_CHECKING:
    from ser_tl.comparison.comparison import Comparison


def comparison_picture(comparison: "Comparison", path: Target) -> None:
    """Draws each system's UAR with its interval, the best at the top.

    Args:
        comparison: what to draw
        path: the file to write
    """
    rows = list(reversed(comparison.rows))
    figure = canvas(7.5, 1.2 + 0.42 * len(rows))  # inches
    axes = figure.add_subplot()
    for index, row in enumerate(rows):
        colour = BEST if row is comparison.rows[0] else DEV
        if row.low is not None and row.high is not None:
            axes.plot([100 * row.low, 100 * row.high], [index, index], color=colour, linewidth=2, alpha=0.6)
        axes.plot(100 * row.uar, index, marker="o", color=colour)
        axes.annotate(
            percent(row.uar), (100 * row.uar, index), (0, 6), textcoords="offset points", ha="center", fontsize=8
        )
    axes.set_yticks(range(len(rows)), [row.system for row in rows], parse_math=False)
    axes.set(xlabel=f"UAR in %, {_interval_words(comparison)}", ylim=(-0.6, len(rows) - 0.2))
    plain(axes, grid="x")
    axes.spines["left"].set_visible(False)
    figure.suptitle("\n".join(textwrap.wrap(comparison.title, 90)), fontsize=10, parse_math=False)
    write(figure, path)


def cost_picture(comparison: "Comparison", path: Target) -> None:
    """Draws the UAR, with its interval, against its costs: trainable parameters, and minutes of training.

    Args:
        comparison: what to draw; a system whose cost isn't known, or is zero, is left out of that panel
        path: the file to write
    """
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    shown = marks([row.system for row in comparison.rows])
    figure = canvas(10.5, max(4.2, 1.2 + 0.24 * len(shown)))
    panels = figure.subplots(1, 2, sharey=True)
    costs = {"trainable parameters": "trainable", "minutes in training steps": "minutes"}
    for axes, (words, name) in zip(panels, costs.items(), strict=True):
        rows = [row for row in comparison.rows if getattr(row, name)]
        for row in rows:
            value, look = getattr(row, name), shown[row.system]
            if row.low is not None and row.high is not None:
                axes.plot([value, value], [100 * row.low, 100 * row.high], color=look["color"], linewidth=2, alpha=0.45)
            axes.plot(value, 100 * row.uar, label=row.system, linestyle="none", markersize=8, **look)
        axes.set(xscale="log", xlabel=f"{words}{'' if rows else ' (not recorded)'}")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(EngFormatter(sep=" ") if name == "trainable" else "{x:g}")
        axes.margins(x=0.12)
        plain(axes)
    panels[0].set_ylabel(f"UAR in %, {_interval_words(comparison)}", wrap=True)
    legend(panels[1] if panels[1].get_legend_handles_labels()[1] else panels[0], rows=24)
    write(figure, path)


def _interval_words(comparison: "Comparison") -> str:
    has_intervals = any(row.low is not None for row in comparison.rows)
    return "95 % interval over speakers" if has_intervals else "no interval: one test speaker"
