"""A generator of speech: how its training goes, and what it makes beside what it learned from.

log records --adversaries_picture()--> png      {class: real and synthetic clip} --sample_sheet()--> png
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ser_tl.reporting.plots.canvas import COARSE, DEV, OTHER, TRAIN, Target, canvas, plain, write

_DECIBELS = 70.0  # below the loudest of the real clips: what is shown


def adversaries_picture(history: Sequence[Mapping[str, Any]], path: Target) -> None:
    """Draws what a critic sees over the steps of a training.

    Args:
        history: records with step, distance (the Wasserstein distance as the critic estimates it), penalty and
            generator_loss
        path: the file to write
    """
    figure = canvas(7.5, 6.5)
    panels = figure.subplots(3, 1, sharex=True)
    steps = [record["step"] for record in history]
    named = (("distance", "distance of real\nand synthetic", DEV), ("penalty", "gradient\npenalty", OTHER))
    for axes, (key, name, colour) in zip(panels, (*named, ("generator_loss", "generator's\nloss", TRAIN)), strict=True):
        axes.plot(steps, [record[key] for record in history], color=colour, linewidth=1.2)
        axes.set_ylabel(name)
        plain(axes)
    panels[-1].set_xlabel("step of the generator")
    write(figure, path)


def sample_sheet(
    shown: Mapping[str, Sequence[tuple[str, np.ndarray, np.ndarray]]], path: Target, *, rate: int, title: str = ""
) -> None:
    """Draws clips of each class, a column each: waveform and spectrogram of the first, below them those of the next.

    Args:
        shown: class to name, waveform (N,) and log-mel spectrogram (F, bands) in dB of each clip; the real one first
        path: the file to write
        rate: samples a second
        title: what is shown
    """
    count = len(next(iter(shown.values())))
    figure = canvas(1.2 + 2.1 * len(shown), 0.6 + 2.5 * count)
    panels = figure.subplots(
        2 * count, len(shown), squeeze=False, sharex=True, sharey="row", height_ratios=[1, 1.6] * count
    )
    loudest = max(float(clips[0][2].max()) for clips in shown.values())
    for column, (label, clips) in enumerate(shown.items()):
        panels[0, column].set_title(label, fontsize=10, fontweight="bold", parse_math=False)
        for row, (name, waveform, mel) in enumerate(clips):
            above, below = panels[2 * row : 2 * row + 2, column]
            seconds = len(waveform) / rate
            above.plot(np.arange(len(waveform)) / rate, waveform, color=OTHER if row else DEV, linewidth=0.4)
            above.set_ylim(-1, 1)
            below.imshow(
                mel.T,
                origin="lower",
                aspect="auto",
                extent=(0.0, seconds, 0.0, mel.shape[1]),
                cmap="magma",
                vmin=loudest - _DECIBELS,
                vmax=loudest,
                interpolation="nearest",
            )
            if not column:
                above.set_ylabel(name, fontsize=10, fontweight="bold", parse_math=False)
                below.set_ylabel("mel band", fontsize=8)
            for axes in (above, below):
                axes.tick_params(labelsize=7)
    for axes in panels[-1]:
        axes.set_xlabel("seconds", fontsize=8)
    figure.suptitle(title, fontsize=11, parse_math=False)
    write(figure, path, dpi=COARSE)
