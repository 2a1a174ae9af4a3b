"""Predicted against annotated dimensions, one panel a dimension.

Report --dimensions_picture()--> png

It computes no figure of merit.
"""

import textwrap
from typing import TYPE_CHECKING

import numpy as np

from ser_tl.errors import ConfigError
from ser_tl.reporting.plots.canvas import DEV, TRAIN, Target, canvas, plain, write
from ser_tl.reporting.text import correlation, correlation_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ser_tl.evaluation.ratings import DimensionScores
    from ser_tl.evaluation.report import Report

_SIDE = 4.0  # inches


def dimensions_picture(report: "Report", path: Target) -> None:
    """Draws each utterance's predicted against its annotated value; perfect agreement is the dashed diagonal.

    Args:
        report: what to draw
        path: the file to write

    Raises:
        ConfigError: the report has no dimensions
    """
    ratings = report.predictions.ratings
    if ratings is None:
        raise ConfigError("no dimensions to draw: the evaluated model predicts none")
    figure = canvas(_SIDE * len(ratings.names) + 0.3, _SIDE + 0.9)
    panels = figure.subplots(1, len(ratings.names), squeeze=False)[0]
    for index, (axes, name) in enumerate(zip(panels, ratings.names, strict=True)):
        _scatter(axes, ratings.annotated[:, index], ratings.predicted[:, index], name, report.dimensions[name])
    panels[0].set_ylabel("predicted, on the training corpus' scale")
    if report.title:
        lines = textwrap.wrap(report.title, int(13 * _SIDE * len(ratings.names)))
        figure.suptitle("\n".join(lines), fontsize=10, parse_math=False)
    write(figure, path)


def _scatter(axes: "Axes", annotated: np.ndarray, predicted: np.ndarray, name: str, scores: "DimensionScores") -> None:
    is_annotated = ~np.isnan(annotated)
    values = (
        np.concatenate([annotated[is_annotated], predicted[is_annotated]])
        if is_annotated.any()
        else np.array([0.0, 1.0])
    )
    margin = 0.05 * (values.max() - values.min()) or 0.5
    ends = values.min() - margin, values.max() + margin
    axes.plot(ends, ends, color=TRAIN, linestyle="--", linewidth=1, zorder=1)
    axes.scatter(annotated[is_annotated], predicted[is_annotated], s=14, alpha=0.4, linewidths=0, color=DEV, zorder=2)
    axes.set(xlim=ends, ylim=ends, aspect="equal", xlabel=f"annotated {name}, {scores.support} utterances")
    title = f"{name}: CCC {correlation(scores.ccc)} ({correlation_interval(scores.ccc_interval)})"
    axes.set_title(f"{title}\nPearson {correlation(scores.pearson)}", fontsize=9, linespacing=1.4)
    plain(axes)
