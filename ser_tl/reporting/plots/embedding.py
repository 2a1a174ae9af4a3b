"""Maps of embeddings by emotion, speaker and domain, and the scores of an encoder's layers.

{system: Embeddings} --embeddings_picture()--> png        {stage: (source, target)} --domains_picture()--> png
{encoder: {layer: Report}} --layers_picture()--> png
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ser_tl.errors import ConfigError
from ser_tl.evaluation.embeddings import Embeddings, project_tsne, squared_mmd
from ser_tl.reporting.plots.canvas import COARSE, Target, canvas, legend, marks, plain, write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ser_tl.evaluation.report import Report

_NAMED = 24  # more names than that don't fit beside a panel


def embeddings_picture(embeddings: Mapping[str, Embeddings], path: Target, *, seed: int = 0) -> None:
    """Draws a map of each system's embeddings twice, coloured by emotion and by speaker.

    Args:
        embeddings: of each system, one row of panels each
        path: the file to write
        seed: of the maps

    Raises:
        ConfigError: no systems, or too few utterances
    """
    if not embeddings:
        raise ConfigError("no embeddings to draw: give those of one system at least")
    figure = canvas(11.0, 0.5 + 3.6 * len(embeddings))
    grid = figure.subplots(len(embeddings), 2, squeeze=False)
    for (left, right), (name, embedding) in zip(grid, embeddings.items(), strict=True):
        points = project_tsne(embedding.values, seed=seed)
        _scatter(left, points, embedding.emotions, "emotion")
        _scatter(right, points, embedding.speakers, "speaker")
        left.set_title(f"{name}: by emotion", fontsize=10, parse_math=False)
        right.set_title(f"{name}: by speaker", fontsize=10, parse_math=False)
    write(figure, path, dpi=COARSE)


def domains_picture(
    stages: Mapping[str, tuple[Embeddings, Embeddings]],
    path: Target,
    *,
    domains: tuple[str, str] = ("source", "target"),
    seed: int = 0,
) -> None:
    """Draws a map of two domains together, by domain and by emotion, with their discrepancy (MMD) in the title.

    Args:
        stages: source and target embeddings of each stage ("before", "after"), one row of panels each
        path: the file to write
        domains: what the two are called
        seed: of the maps

    Raises:
        ConfigError: no stages, or too few utterances
    """
    if not stages:
        raise ConfigError("no embeddings to draw: give those of one stage at least")
    figure = canvas(11.0, 0.5 + 3.6 * len(stages))
    grid = figure.subplots(len(stages), 2, squeeze=False)
    for (left, right), (name, (source, target)) in zip(grid, stages.items(), strict=True):
        points = project_tsne(np.concatenate([source.values, target.values]), seed=seed)
        where = [domains[0]] * len(source) + [domains[1]] * len(target)
        _scatter(left, points, where, "domain")
        _scatter(right, points, [*source.emotions, *target.emotions], "emotion")
        apart = squared_mmd(source.values, target.values)
        left.set_title(f"{name}: by domain, squared MMD {apart:.3f}", fontsize=10, parse_math=False)
        right.set_title(f"{name}: by emotion", fontsize=10, parse_math=False)
    write(figure, path, dpi=COARSE)


def _scatter(axes: "Axes", points: np.ndarray, names: Sequence[str], what: str) -> None:
    unique_names = sorted(set(names))
    of_name = np.array(names)
    for name, look in marks(unique_names).items():
        rows = points[of_name == name]
        label = name if len(unique_names) <= _NAMED else "_"
        axes.scatter(rows[:, 0], rows[:, 1], s=13, alpha=0.75, linewidths=0, label=label, **look)
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel("t-SNE, first axis (no unit)", fontsize=8)
    axes.set_ylabel("t-SNE, second axis (no unit)", fontsize=8)
    axes.spines[:].set_color("0.8")
    legend(axes, title=what)
    if len(unique_names) > _NAMED:
        axes.annotate(f"{len(unique_names)} {what}s", (1.02, 0.5), xycoords="axes fraction", fontsize=8)


def layers_picture(scores: Mapping[str, Mapping[str, "Report"]], path: Target) -> None:
    """Draws what a probe reaches on each layer, with its interval; an encoder of one layer is a dashed line.

    Args:
        scores: encoder to layer to report, input side first
        path: the file to write

    Raises:
        ConfigError: no scores
    """
    if not any(scores.values()):
        raise ConfigError("no layers to draw: give the scores of one encoder at least")
    looks = marks(list(scores))
    figure = canvas(8.5, 4.6)
    axes = figure.add_subplot()
    for name, reports in scores.items():
        uars = [100 * report.uar for report in reports.values()]
        if len(uars) == 1:
            axes.axhline(uars[0], color=looks[name]["color"], linestyle="--", linewidth=1.5, label=name)
            continue
        axes.plot(range(len(uars)), uars, label=name, linewidth=1.8, **looks[name])
        intervals = [(index, report.interval) for index, report in enumerate(reports.values()) if report.interval]
        low, high = (
            [100 * interval.low for _, interval in intervals],
            [100 * interval.high for _, interval in intervals],
        )
        axes.fill_between(
            [index for index, _ in intervals], low, high, color=looks[name]["color"], alpha=0.12, linewidth=0
        )
        for index, (layer, uar) in enumerate(zip(reports, uars, strict=True)):
            axes.annotate(
                layer, (index, uar), (0, 7), textcoords="offset points", ha="center", fontsize=7, parse_math=False
            )
    longest = max(map(len, scores.values()))
    axes.set_xticks(range(longest))
    axes.set(
        xlabel="place among the layers shown, from the input side", ylabel="UAR of a linear probe in %, other speakers"
    )
    axes.set_xlim(-0.4, max(longest - 0.6, 0.6))
    plain(axes)
    legend(axes)
    write(figure, path)
