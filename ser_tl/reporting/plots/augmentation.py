"""Augmented forms of a clip: log-mel spectrograms of the clip and of each form, all on one scale.

names, drawn values, log-mel (F, bands) --augmentation_picture()--> png
"""

import math
import textwrap
from collections.abc import Sequence

import numpy as np

from ser_tl.reporting.plots.canvas import COARSE, Target, canvas, write

_COLUMNS = 3
_DECIBELS = 70.0  # below the original's loudest: what is shown


def augmentation_picture(
    examples: Sequence[tuple[str, str, np.ndarray]], path: Target, *, hop: float = 0.01, title: str = ""
) -> None:
    """Draws a clip and its changed forms.

    Args:
        examples: name, what was drawn, and log-mel spectrogram (F, bands) in dB; the clip itself first
        path: the file to write
        hop: seconds between frames
        title: what is shown
    """
    rows = math.ceil(len(examples) / _COLUMNS)
    figure = canvas(4.1 * _COLUMNS, 0.7 + 2.0 * rows)
    panels = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False)
    loudest = float(examples[0][2].max())
    longest = max(len(mel) for _, _, mel in examples) * hop
    for number, (axes, (name, drawn, mel)) in enumerate(zip(panels.flat, examples, strict=False)):
        shown = axes.imshow(
            mel.T,
            origin="lower",
            aspect="auto",
            extent=(0.0, len(mel) * hop, 0.0, mel.shape[1]),
            cmap="magma",
            vmin=loudest - _DECIBELS,
            vmax=loudest,
            interpolation="nearest",
        )
        axes.set_facecolor("0.92")  # where a clip has ended
        axes.set_title(name, fontsize=10, fontweight="bold", loc="left", pad=16, parse_math=False)
        words = "\n".join(textwrap.wrap(drawn, 58)[:1])
        axes.text(0.0, 1.03, words, transform=axes.transAxes, fontsize=8, color="0.35", parse_math=False)
        axes.set_xlim(0.0, longest)
        if number % _COLUMNS == 0:
            axes.set_ylabel("mel band")
        if number >= len(examples) - _COLUMNS:
            axes.set_xlabel("time in seconds")
            axes.tick_params(labelbottom=True)
    for axes in panels.flat[len(examples) :]:
        axes.set_visible(False)
    figure.colorbar(shown, ax=panels, label="dB", pad=0.01, fraction=0.03, aspect=12 * rows)
    figure.suptitle(title, fontsize=11, parse_math=False)
    write(figure, path, dpi=COARSE)
