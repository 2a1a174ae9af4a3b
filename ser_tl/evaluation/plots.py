"""Pictures: the confusion matrix of a report, and the curves of a training run.

    Report --confusion_picture()--> png        history, one mapping an epoch --training_curves()--> png

Matplotlib's objects are used directly, never pyplot: no display, no global state, nothing kept afterwards.
Labels are printed as they are, so a "$" in one isn't read as mathematics. It computes no figure of merit.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ser_tl.errors import ConfigError
from ser_tl.evaluation.text import UNDEFINED, interval_text, percent

if TYPE_CHECKING:  # matplotlib takes half a second to import, and few need it
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ser_tl.evaluation.comparison import Comparison
    from ser_tl.evaluation.report import Report

_DPI = 150
_TRAIN, _DEV, _OTHER, _BEST = "#7f7f7f", "#1f5fa8", "#d98212", "#2a8f4b"
_UNDEFINED_ROW = "0.93"  # light grey, which no share of the blue scale has
_LEGEND_ROWS = 13  # as many as the panel of learning rates is high


def confusion_picture(report: "Report", path: str | Path) -> None:
    """Draws the confusion matrix: counts and the percent of their row, coloured by the latter.

    Args:
        report: what to draw
        path: the file to write, .png, .svg or .pdf
    """
    import matplotlib as mpl

    labels = report.predictions.labels
    counts = report.confusion
    support = counts.sum(axis=1, keepdims=True)
    shares = np.where(support > 0, counts / np.maximum(support, 1), np.nan)  # NaN: a class without test examples
    width = max(6.2, 1.6 + 0.85 * len(labels))  # inches
    figure = _canvas(width, width)
    axes = figure.add_subplot()
    blues = mpl.colormaps["Blues"].with_extremes(bad=_UNDEFINED_ROW)
    axes.imshow(np.ma.masked_invalid(shares), cmap=blues, vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        share = shares[row, column]
        text = UNDEFINED if np.isnan(share) else f"{counts[row, column]}\n{percent(share)} %"
        colour = "white" if share > 0.6 else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8.5, linespacing=1.3)
    ticks = np.arange(len(labels))
    axes.set_xticks(ticks, labels, rotation=35, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(ticks, labels, parse_math=False)
    axes.set_xticks(ticks[1:] - 0.5, minor=True)
    axes.set_yticks(ticks[1:] - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("prediction")
    axes.set_ylabel("reference")
    figure.suptitle(_heading(report, letters=int(12 * width)), fontsize=10, linespacing=1.4, parse_math=False)
    _write(figure, path)


def _heading(report: "Report", letters: int) -> str:
    lines = textwrap.wrap(report.title, letters)
    lines.append(f"UAR {percent(report.uar)} %, WAR {percent(report.war)} %")
    lines += textwrap.wrap(interval_text(report), letters)
    return "\n".join(lines)


def training_curves(history: Sequence[Mapping[str, Any]], path: str | Path) -> None:
    """Draws loss, dev scores and learning rates over the epochs, the best epoch marked.

    Args:
        history: one mapping an epoch. Drawn are epoch, train_loss, dev_loss, dev_uar and dev_war (fractions),
            learning_rates (group to rate) and best (bool; the last epoch that has it is the best). Missing values and
            None leave a gap
        path: the file to write, .png, .svg or .pdf

    Raises:
        ConfigError: no epochs
    """
    import matplotlib as mpl
    from matplotlib.ticker import MaxNLocator

    if not history:
        raise ConfigError("no epochs to draw: the history is empty. Train for one epoch at least")
    epochs = [record["epoch"] for record in history]
    figure = _canvas(7.5, 8)
    loss, score, rate = figure.subplots(3, 1, sharex=True, height_ratios=[1, 1, 0.9])
    _line(loss, epochs, [record.get("train_loss") for record in history], "train", _TRAIN)
    _line(loss, epochs, [record.get("dev_loss") for record in history], "dev", _DEV)
    loss.set_ylabel("loss")
    uar = _percents(history, "dev_uar")
    _line(score, epochs, uar, "UAR", _DEV)
    _line(score, epochs, _percents(history, "dev_war"), "WAR", _OTHER)
    score.set_ylabel("dev score in %")
    groups = list(dict.fromkeys(group for record in history for group in record.get("learning_rates") or {}))
    shades = mpl.colormaps["viridis"](np.linspace(0, 0.85, max(len(groups), 1)))  # up to 0.85: yellow can't be read
    for group, shade in zip(groups, shades, strict=False):
        rates = [(record.get("learning_rates") or {}).get(group) for record in history]
        _line(rate, epochs, [value or None for value in rates], group, shade)  # a log axis has no place for zero
    rate.set(yscale="log", ylabel="learning rate", xlabel="epoch", xlim=(min(epochs) - 0.5, max(epochs) + 0.5))
    rate.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    best = next((index for index in reversed(range(len(history))) if history[index].get("best")), None)
    if best is not None and uar[best] is not None:
        score.plot(epochs[best], uar[best], marker="*", markersize=13, color=_BEST, linestyle="none", zorder=3)
        score.set_title(f"best: epoch {epochs[best]}, UAR {uar[best]:.1f} %", fontsize=10, color=_BEST, loc="right")
    for axes in (loss, score, rate):
        axes.grid(color="0.9")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if best is not None:
            axes.axvline(epochs[best], color=_BEST, linestyle="--", linewidth=1.2, zorder=1.5)
        _legend(axes)
    _write(figure, path)


def comparison_picture(comparison: "Comparison", path: str | Path) -> None:
    """Draws each system's UAR with its interval, the best at the top.

    Args:
        comparison: what to draw
        path: the file to write, .png, .svg or .pdf
    """
    rows = list(reversed(comparison.rows))
    figure = _canvas(7.5, 1.2 + 0.42 * len(rows))  # inches
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        colour = _BEST if row is comparison.rows[0] else _DEV
        if row.low is not None and row.high is not None:
            axes.plot([100 * row.low, 100 * row.high], [place, place], color=colour, linewidth=2, alpha=0.6)
        axes.plot(100 * row.uar, place, marker="o", color=colour)
        axes.annotate(
            percent(row.uar), (100 * row.uar, place), (0, 6), textcoords="offset points", ha="center", fontsize=8
        )
    axes.set_yticks(range(len(rows)), [row.system for row in rows], parse_math=False)
    axes.set(xlabel="UAR in %, 95 % interval over speakers", ylim=(-0.6, len(rows) - 0.2))
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.suptitle("\n".join(textwrap.wrap(comparison.title, 90)), fontsize=10, parse_math=False)
    _write(figure, path)


def _percents(history: Sequence[Mapping[str, Any]], key: str) -> list[float | None]:
    return [None if record.get(key) is None else 100 * record[key] for record in history]


def _line(axes: "Axes", epochs: list[Any], values: Sequence[float | None], name: str, colour: Any) -> None:  # noqa: ANN401
    """One curve with a dot an epoch, so that a single epoch shows; nothing if it has no value at all."""
    known = [np.nan if value is None else float(value) for value in values]
    if not np.isnan(known).all():
        axes.plot(epochs, known, label=name, color=colour, marker="o", markersize=3.5, linewidth=1.6, zorder=2)


def _legend(axes: "Axes") -> None:
    names = axes.get_legend_handles_labels()[1]
    if names:
        columns = math.ceil(len(names) / _LEGEND_ROWS)
        legend = axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), ncols=columns)
        for text in legend.get_texts():
            text.set_parse_math(False)


def _canvas(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))


def _write(figure: "Figure", path: str | Path) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=_DPI)
