"""How a student comes to say what its teacher says, over the steps of a distillation.

log records --distillation_picture()--> png
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ser_tl.reporting.plots.canvas import BEST, Target, canvas, colours, legend, plain, write


def distillation_picture(history: Sequence[Mapping[str, Any]], path: Target) -> None:
    """Draws loss and cosine of each distilled state, and the probe's UAR where there was one.

    Args:
        history: records with step and minutes, and either layers and cosines (by the teacher's state) or probe_uar
        path: the file to write
    """
    steps = [record for record in history if "layers" in record]
    probes = [record for record in history if "probe_uar" in record]
    figure = canvas(8.0, 6.5 if probes else 4.6)
    panels = figure.subplots(3 if probes else 2, 1, sharex=True, squeeze=False)[:, 0]
    names = sorted({name for record in steps for name in record["layers"]}, key=int)
    for axes, key, label in zip(panels, ("layers", "cosines"), ("loss", "cosine with\nthe teacher"), strict=False):
        for name, colour in zip(names, colours(len(names)), strict=True):
            points = [(record["minutes"], record[key][name]) for record in steps if name in record[key]]
            axes.plot(*zip(*points, strict=True), color=colour, linewidth=1.1, label=name)
        axes.set_ylabel(label)
        legend(axes, title="teacher's\nstate")
        plain(axes)
    if probes:
        panels[-1].plot(
            [record["minutes"] for record in probes],
            [100 * record["probe_uar"] for record in probes],
            color=BEST,
            marker="o",
            markersize=4,
        )
        panels[-1].set_ylabel("probe's UAR, %")
        plain(panels[-1])
    panels[-1].set_xlabel("minutes")
    write(figure, path)
