"""Emotion over time in a long recording: segments, probabilities, and the spectrogram below, on one time axis."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ser_tl.reporting.plots.canvas import COARSE, Target, canvas, colours, legend, plain, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DECIBELS = 80.0  # below the loudest: what is shown
_TICKS = 12  # at most
_STEPS = (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)  # seconds between them


def timeline_picture(
    segments: Sequence[tuple[float, float, str, str]],
    labels: Sequence[str],
    times: np.ndarray,
    probabilities: np.ndarray,
    spectrogram: np.ndarray | None,
    seconds: float,
    path: Target,
    *,
    rate: int = 16_000,
    title: str = "",
) -> None:
    """Draws a recording's emotions over time.

    Args:
        segments: start and end in seconds, emotion, speaker (empty where unknown); speech only
        labels: the emotions
        times: (T,) seconds of the points at which probabilities are known
        probabilities: (T, C) at them
        spectrogram: (columns, bins) power, columns evenly over the recording; None leaves the panel out
        seconds: the recording's length
        path: the file to write
        rate: samples a second, of the spectrogram
        title: what is shown
    """
    shades = dict(zip(labels, colours(len(labels)), strict=True))
    speakers = sorted({speaker for *_, speaker in segments}) or [""]
    heights = [0.45 + 0.3 * len(speakers), 2.4, *([2.0] if spectrogram is not None else [])]
    figure = canvas(12.0, 0.7 + sum(heights))
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    strip = figure.add_subplot(grid[0])
    panels = [strip, *(figure.add_subplot(grid[row], sharex=strip) for row in range(1, len(heights)))]
    _strip(strip, segments, speakers, shades)
    _curves(panels[1], times, probabilities, shades, [(start, end) for start, end, *_ in segments])
    if spectrogram is not None:
        _spectrogram(panels[2], spectrogram, seconds, rate)
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)
    strip.set_xlim(0, seconds)
    _mark_time(panels[-1], seconds)
    figure.suptitle(title, fontsize=10, parse_math=False)
    figure.align_ylabels()
    write(figure, path, dpi=COARSE)


def _mark_time(axes: "Axes", seconds: float) -> None:
    """Ticks at whole seconds, minutes or hours; minutes:seconds from two minutes on, as in a page's table."""
    if seconds < 120:
        axes.set_xlabel("time in seconds")
        return
    step = next((step for step in _STEPS if seconds / step <= _TICKS), 3600 * math.ceil(seconds / 3600 / _TICKS))
    axes.set_xticks(np.arange(0, seconds + 1e-6, step))
    long = seconds >= 3600
    unit = 3600 if long else 60
    axes.xaxis.set_major_formatter(lambda value, _: f"{value // unit:.0f}:{60 * (value % unit) // unit:02.0f}")
    axes.set_xlabel("time in hours:minutes" if long else "time in minutes:seconds")


def _strip(
    axes: "Axes",
    segments: Sequence[tuple[float, float, str, str]],
    speakers: Sequence[str],
    shades: Mapping[str, object],
) -> None:
    for row, speaker in enumerate(speakers):
        for label, shade in shades.items():
            spans = [
                (start, end - start)
                for start, end, name, name_of_speaker in segments
                if name == label and name_of_speaker == speaker
            ]
            axes.broken_barh(spans, (row - 0.4, 0.8), facecolor=shade)
    axes.set_yticks(range(len(speakers)), [speaker or "emotion" for speaker in speakers], parse_math=False)
    axes.set_ylim(len(speakers) - 0.5, -0.5)
    plain(axes, grid="x")


def _curves(
    axes: "Axes",
    times: np.ndarray,
    probabilities: np.ndarray,
    shades: Mapping[str, object],
    speech: Sequence[tuple[float, float]],
) -> None:
    """A line an emotion; broken in pauses, and where another speaker's turn begins earlier."""
    starts = np.array([start for start, _ in speech])
    ends = np.array([end for _, end in speech])
    breaks = [
        index + 1
        for index, (time, following) in enumerate(pairwise(times))
        if following < time or np.any((starts > time) & (starts < following) & ~np.isin(starts, ends))
    ]
    broken, values = np.insert(times, breaks, np.nan), np.insert(100 * probabilities, breaks, np.nan, axis=0)
    few = len(times) < 400
    for column, (label, shade) in enumerate(shades.items()):
        axes.plot(broken, values[:, column], color=shade, label=label, linewidth=1.3, marker="." if few else "", ms=4)
    axes.set(ylabel="probability in %", ylim=(-2, 102))
    legend(axes)
    plain(axes)


def _spectrogram(axes: "Axes", power: np.ndarray, seconds: float, rate: int) -> None:
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    drawn = axes.imshow(
        (decibels - decibels.max()).T,
        origin="lower",
        aspect="auto",
        extent=(0.0, seconds, 0.0, rate / 2),
        cmap="magma",
        vmin=-_DECIBELS,
        vmax=0.0,
        interpolation="nearest",
    )
    axes.set_ylabel("frequency in Hz")
    beside = axes.inset_axes((1.01, 0.0, 0.012, 1.0))  # where the curves have their legend: panels stay as wide
    axes.figure.colorbar(drawn, cax=beside, label="dB below the loudest")
