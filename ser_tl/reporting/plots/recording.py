"""One recording and a model's output: waveform, spectrogram, attention, probabilities, all on one time axis.

waveform (N,), attention by window, probabilities --recording_picture()--> png
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ser_tl.reporting.plots.canvas import BEST, DEV, OTHER, TRAIN, Target, canvas, plain, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WINDOW = 400  # samples: 25 ms at 16 kHz
_HOP = 160  # 10 ms
_COLUMNS = 2000  # of a spectrogram; longer recordings have a longer hop
_DECIBELS = 80.0  # below the loudest: what is shown


def recording_picture(
    waveform: np.ndarray,
    rate: int,
    probabilities: Mapping[str, float],
    path: Target,
    *,
    attention: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
    title: str = "",
) -> None:
    """Draws a recording and a model's output.

    Args:
        waveform: (N,) samples in [-1, 1]
        rate: samples a second
        probabilities: emotion to probability; the panel is left out where there are none
        path: the file to write
        attention: of each window, when each frame begins (seconds into the recording) and its weight, adding up to 1 in
            the window; None leaves the panel out
        title: what is shown
    """
    classes = [0.45 + 0.24 * len(probabilities)] if probabilities else []
    heights = [1.25, 2.375, *([1.375] if attention else [])]
    figure = canvas(10.0, 0.8 + sum([*heights, *classes]))
    grid = figure.add_gridspec(len(heights) + len(classes), 1, height_ratios=[*heights, *classes])
    wave = figure.add_subplot(grid[0])
    panels = [wave, *(figure.add_subplot(grid[row], sharex=wave) for row in range(1, len(heights)))]
    seconds = len(waveform) / rate
    _waveform(wave, waveform, rate)
    _spectrogram(panels[1], waveform, rate)
    if attention:
        _attention(panels[2], attention)
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)
    panels[-1].set_xlabel("time in seconds")
    wave.set_xlim(0, seconds)
    if probabilities:
        _bars(figure.add_subplot(grid[-1]), probabilities)
    figure.suptitle(title, fontsize=10, linespacing=1.4, parse_math=False)
    figure.align_ylabels()
    write(figure, path)


def _waveform(axes: "Axes", waveform: np.ndarray, rate: int) -> None:
    """Highest and lowest sample of each short stretch: all peaks show, and a long file isn't a million points."""
    step = max(1, len(waveform) // (2 * _COLUMNS))
    stretches = [waveform[first : first + step] for first in range(0, len(waveform), step)]
    times = np.arange(len(stretches)) * step / rate
    lows, highs = [part.min() for part in stretches], [part.max() for part in stretches]
    axes.fill_between(times, lows, highs, color=DEV, linewidth=0.6)
    limit = 1.05 * max(float(np.abs(waveform).max()), 1e-3)
    axes.set(ylabel="amplitude\n(full scale 1)", ylim=(-limit, limit))
    plain(axes, grid="x")


def _spectrogram(axes: "Axes", waveform: np.ndarray, rate: int) -> None:
    """Power in dB below the loudest point, Hann windows of 25 ms; each column at its window's middle."""
    hop = max(_HOP, math.ceil(len(waveform) / _COLUMNS))
    centred = np.pad(waveform.astype(np.float64), _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(centred, _WINDOW)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(_WINDOW), n=512)) ** 2
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    extent = (-hop / rate / 2, (len(frames) - 0.5) * hop / rate, 0.0, rate / 2)
    drawn = axes.imshow(
        (decibels - decibels.max()).T,
        origin="lower",
        aspect="auto",
        extent=extent,
        cmap="magma",
        vmin=-_DECIBELS,
        vmax=0.0,
        interpolation="nearest",
    )
    axes.set_ylabel("frequency in Hz")
    axes.figure.colorbar(drawn, ax=axes, label="dB below the loudest", pad=0.01)


def _attention(axes: "Axes", attention: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """The weight of each frame in multiples of the mean of its window; where windows overlap, both are drawn."""
    for number, (begins, weights) in enumerate(attention):
        relative = weights * len(weights)
        edges = [*begins, 2 * begins[-1] - begins[-2] if len(begins) > 1 else begins[-1]]
        axes.stairs(relative, edges, baseline=None, color=(OTHER, DEV)[number % 2], linewidth=1.2)
        if number:
            axes.axvline(begins[0], color=TRAIN, linestyle=":", linewidth=1)
    axes.axhline(1.0, color=TRAIN, linestyle="--", linewidth=1)
    several = f",\n{len(attention)} windows" if len(attention) > 1 else ""
    axes.set_ylabel(f"attention\n(1 = mean{several})")
    axes.set_ylim(0, None)
    plain(axes, grid="x")


def _bars(axes: "Axes", probabilities: Mapping[str, float]) -> None:
    names = list(probabilities)
    likeliest = max(probabilities, key=probabilities.__getitem__)
    axes.barh(
        range(len(names)),
        [100 * probabilities[name] for name in names],
        color=[BEST if name == likeliest else TRAIN for name in names],
        height=0.7,
    )
    for index, name in enumerate(names):
        text = f"{100 * probabilities[name]:.1f} %"
        axes.annotate(
            text, (100 * probabilities[name], index), (3, 0), textcoords="offset points", va="center", fontsize=8
        )
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set(xlabel="probability in %", xlim=(0, 108))
    axes.invert_yaxis()
    plain(axes, grid="x")
