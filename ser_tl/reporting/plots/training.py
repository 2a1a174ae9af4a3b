"""A training over its epochs: curves, which blocks moved when, and how far.

history, one mapping an epoch --training_curves(), unfreezing_picture()--> png
{block: distance} --plot_weight_change()--> png
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ser_tl.errors import ConfigError
from ser_tl.reporting.plots.canvas import (
    BEST,
    CONCORDANCE,
    DEV,
    OTHER,
    TRAIN,
    Target,
    canvas,
    colours,
    legend,
    plain,
    write,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import MaxNLocator


def training_curves(history: Sequence[Mapping[str, Any]], path: Target) -> None:
    """Draws loss, dev scores and learning rates over the epochs, the best epoch marked.

    Where the number of moving parameters changes, it has a place of its own below.

    Args:
        history: one mapping an epoch. Drawn are epoch, train_loss, dev_loss, dev_uar and dev_war (fractions), dev_ccc,
            learning_rates (group to rate), trainable_parameters and best (bool; the last epoch that has it is the
            best). Missing values and None leave a gap
        path: the file to write

    Raises:
        ConfigError: no epochs
    """
    import matplotlib as mpl

    if not history:
        raise ConfigError("no epochs to draw: the history is empty. Train for one epoch at least")
    epochs = [record["epoch"] for record in history]
    moving = [record.get("trainable_parameters") for record in history]
    changes = len(set(moving)) > 1
    figure = canvas(7.5, 9.5 if changes else 8)
    loss, score, rate, *total = figure.subplots(
        3 + changes, 1, sharex=True, height_ratios=[1, 1, 0.9, 0.6][: 3 + changes]
    )
    _line(loss, epochs, [record.get("train_loss") for record in history], "train", TRAIN)
    _line(loss, epochs, [record.get("dev_loss") for record in history], "dev", DEV)
    loss.set_ylabel("loss")
    uar = _percents(history, "dev_uar")
    _line(score, epochs, uar, "UAR", DEV)
    _line(score, epochs, _percents(history, "dev_war"), "WAR", OTHER)
    alone = all(value is None for value in uar)  # of dimensions, which choose the epoch then
    ccc = [record.get("dev_ccc") for record in history] if alone else _percents(history, "dev_ccc")
    name, colour = ("CCC", DEV) if alone else ("CCC \N{MULTIPLICATION SIGN} 100", CONCORDANCE)
    _line(score, epochs, ccc, name, colour)
    score.set_ylabel("dev CCC" if alone and any(value is not None for value in ccc) else "dev score in %")
    groups = list(dict.fromkeys(group for record in history for group in record.get("learning_rates") or {}))
    shades = mpl.colormaps["viridis"](np.linspace(0, 0.85, max(len(groups), 1)))  # up to 0.85: yellow can't be read
    for group, shade in zip(groups, shades, strict=False):
        rates = [(record.get("learning_rates") or {}).get(group) for record in history]
        _line(rate, epochs, [value or None for value in rates], group, shade)  # a log axis has no place for zero
    for axes in total:
        _line(axes, epochs, [None if count is None else count / 1e6 for count in moving], "trainable", TRAIN)
        axes.set(ylabel="parameters,\nmillions", ylim=(0, None))
    [rate, *total][-1].set_xlabel("epoch")
    rate.set(yscale="log", ylabel="learning rate", xlim=(min(epochs) - 0.5, max(epochs) + 0.5))
    rate.xaxis.set_major_locator(_whole_numbers())
    best = next((index for index in reversed(range(len(history))) if history[index].get("best")), None)
    top = None if best is None else (ccc if alone else uar)[best]
    if best is not None and top is not None:
        best_score = f"CCC {top:.3f}" if alone else f"UAR {top:.1f} %"
        score.plot(epochs[best], top, marker="*", markersize=13, color=BEST, linestyle="none", zorder=3)
        score.set_title(f"best: epoch {epochs[best]}, {best_score}", fontsize=10, color=BEST, loc="right")
    for axes in (loss, score, rate, *total):
        plain(axes)
        if best is not None:
            axes.axvline(epochs[best], color=BEST, linestyle="--", linewidth=1.2, zorder=1.5)
        legend(axes)
    write(figure, path)


def unfreezing_picture(
    history: Sequence[Mapping[str, Any]], path: Target, *, blocks: Sequence[str] | None = None
) -> None:
    """Draws which blocks of the encoder move in which epoch, and how many parameters that makes.

    Args:
        history: one mapping an epoch. Drawn are epoch, moving_blocks (names), trainable_parameters, and, where they are
            known by block, learning_rates (block to rate)
        path: the file to write
        blocks: all of the encoder's blocks, input side first; those that ever move if None, in the order of the records

    Raises:
        ConfigError: no epochs, or no record of moving blocks
    """
    if not history or not any("moving_blocks" in record for record in history):
        raise ConfigError("no record of moving blocks: the history of a training has moving_blocks in every epoch")
    moving = [list(record.get("moving_blocks") or ()) for record in history]
    longest_first = sorted(moving, key=len, reverse=True)
    names = list(blocks or dict.fromkeys(name for trainable in longest_first for name in trainable))
    epochs = [record["epoch"] for record in history]
    figure = canvas(max(6.0, 2.6 + 0.32 * len(epochs)), 2.6 + 0.27 * max(len(names), 2))
    grid, total = figure.subplots(2, 1, sharex=True, height_ratios=[0.27 * max(len(names), 2), 1.3])
    # A cell is the learning rate of the block, or 1 where only the fact that it moves is known.
    rates = [
        [(record.get("learning_rates") or {}).get(name, 1.0) if name in trainable else np.nan for name in names]
        for record, trainable in zip(history, moving, strict=True)
    ]
    _grid(grid, np.array(rates, dtype=float).T.reshape(len(names), len(epochs)), epochs)
    grid.set_yticks(range(len(names)), names, parse_math=False, fontsize=8)
    grid.set_ylabel("block, input\nat the bottom", fontsize=9)
    parameters = [record.get("trainable_parameters") for record in history]
    _line(total, epochs, [None if value is None else value / 1e6 for value in parameters], "trainable", DEV)
    total.set(xlabel="epoch", ylabel="trainable\nparameters\nin millions", ylim=(0, None))
    total.xaxis.set_major_locator(_whole_numbers())
    plain(total)
    write(figure, path)


def _grid(axes: "Axes", rates: np.ndarray, epochs: Sequence[int]) -> None:
    """Filled cells where a block moves, (blocks, epochs); coloured by learning rate where blocks differ in it."""
    from matplotlib.colors import ListedColormap, LogNorm

    positive = rates[np.isfinite(rates) & (rates > 0)]
    by_rate = positive.size > 0 and positive.min() < positive.max() and positive.max() < 1
    edges = np.arange(-0.5, len(rates) + 0.5), np.array([epochs[0] - 0.5, *(epoch + 0.5 for epoch in epochs)])
    cells = np.ma.masked_invalid(rates)
    if by_rate:
        cells = np.ma.maximum(cells, positive.min())  # a rate that a schedule has brought to zero isn't frozen
        norm = LogNorm(positive.min(), positive.max())
        drawn = axes.pcolormesh(edges[1], edges[0], cells, norm=norm, cmap="viridis", edgecolors="white", linewidth=1)
        axes.figure.colorbar(drawn, ax=axes, label="learning rate")
    else:
        axes.pcolormesh(edges[1], edges[0], cells, cmap=ListedColormap([DEV]), edgecolors="white", linewidth=1)
    axes.set_facecolor("0.94")  # frozen
    axes.spines[:].set_visible(False)


def plot_weight_change(distances: Mapping[str, float] | Mapping[str, Mapping[str, float]], path: Target) -> None:
    """Draws the change of each block's weights: |after - before| over |before|, L2 norms, in percent.

    Args:
        distances: block to relative distance, input side first; or that for each of several trainings, by name
        path: the file to write

    Raises:
        ConfigError: no distances
    """
    named = {name: distances_of for name, distances_of in distances.items() if isinstance(distances_of, Mapping)}
    trainings: dict[str, Mapping[str, float]] = named or {"": distances}  # ty: ignore[invalid-assignment] - no mappings in it
    blocks = list(dict.fromkeys(block for distances_of in trainings.values() for block in distances_of))
    if not blocks:
        raise ConfigError("no distances to draw: give at least one block's")
    figure = canvas(7.5, 1.3 + 0.25 * len(blocks) * max(1.0, 0.55 * len(trainings)))
    axes = figure.add_subplot()
    thickness = 0.8 / len(trainings)
    for number, ((name, distances_of), shade) in enumerate(
        zip(trainings.items(), colours(len(trainings)), strict=True)
    ):
        positions = np.arange(len(blocks)) + ((len(trainings) - 1) / 2 - number) * thickness  # the first on top
        lengths = [100 * distances_of.get(block, np.nan) for block in blocks]
        axes.barh(positions, lengths, height=thickness, color=shade, label=name or "_")
        for position, length in zip(positions, lengths, strict=True):
            if np.isfinite(length):
                axes.annotate(
                    f"{length:.2g}", (length, position), (3, 0), textcoords="offset points", va="center", fontsize=7
                )
    axes.set_yticks(range(len(blocks)), blocks, parse_math=False, fontsize=8)
    axes.set(xlabel="change, % of the weights' L2 norm", ylabel="block, input side at the bottom")
    axes.margins(x=0.1, y=0.02)
    plain(axes, grid="x")
    legend(axes)
    write(figure, path)


def _whole_numbers() -> "MaxNLocator":
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True, min_n_ticks=1)


def _percents(history: Sequence[Mapping[str, Any]], key: str) -> list[float | None]:
    return [None if record.get(key) is None else 100 * record[key] for record in history]


def _line(axes: "Axes", epochs: list[Any], values: Sequence[float | None], name: str, colour: Any) -> None:  # noqa: ANN401
    """One curve with a dot an epoch, so that a single epoch shows; nothing if it has no value at all."""
    numbers = [np.nan if value is None else float(value) for value in values]
    if not np.isnan(numbers).all():
        axes.plot(epochs, numbers, label=name, color=colour, marker="o", markersize=3.5, linewidth=1.6, zorder=2)
