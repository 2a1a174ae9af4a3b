"""Common parts of all pictures: an empty figure, distinct colours, and writing to disk.

    canvas(width, height) -> Figure -> ... -> write(figure, path or an open binary file)

Matplotlib's objects are used directly, never pyplot: no display, no global state, nothing kept afterwards. Matplotlib
takes half a second to import, and few need it: every function imports it for itself.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ser_tl.errors import ConfigError
from ser_tl.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Target: TypeAlias = "str | Path | IO[bytes]"
"""Where a picture goes: a file to write (.png, .svg or .pdf), or an open binary file, which gets a PNG."""

TRAIN, DEV, OTHER, BEST, CONCORDANCE = "#7f7f7f", "#1f5fa8", "#d98212", "#2a8f4b", "#8a4fa3"
MARKERS = "os^Dv<>P*X"
DPI = 150
COARSE = 100  # of pictures with many panels, so that they stay below 150 kB
FORMATS: list[str] = []
"""In which each picture of a run is written besides PNG; `choose_formats` sets it."""

_TOLD_APART = 10  # colours that the eye can still name


def canvas(width: float, height: float) -> "Figure":
    """An empty figure that lays itself out.

    Args:
        width: inches
        height: inches
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))


def write(figure: "Figure", target: Target, *, dpi: int = DPI) -> None:
    """Writes a figure, its folder made where it isn't there.

    Args:
        figure: what is written
        target: where to
        dpi: pixels an inch; fewer for large pictures of large things
    """
    layout = figure.get_layout_engine()
    if layout is not None:  # here, as `savefig` would draw everything once more to lay it out
        figure.set_dpi(dpi)
        layout.execute(figure)
        figure.set_layout_engine(None)
    if isinstance(target, str | Path):
        path = Path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = path.suffix.removeprefix(".").lower() or "png"
        for form in dict.fromkeys([kind, *(FORMATS if kind == "png" else ())]):
            with write_atomically(path if form == kind else path.with_suffix(f".{form}")) as part:
                figure.savefig(part, dpi=dpi, format=form)
    else:
        figure.savefig(target, dpi=dpi, format="png", metadata={"Software": None})


def choose_formats(formats: Sequence[str]) -> None:
    """Sets in which formats every PNG of this process is written besides.

    Args:
        formats: pdf, svg, both or none

    Raises:
        ConfigError: another one
    """
    strange = [name for name in formats if name not in ("pdf", "svg")]
    if strange:
        raise ConfigError(f"pictures can be written as pdf and svg beside PNG, not as {', '.join(strange)}")
    FORMATS[:] = formats


def colours(count: int) -> list[Any]:
    """So many colours: those of tab10, then, where there are more, a sequence from blue to red."""
    import matplotlib as mpl

    if count <= _TOLD_APART:
        return list(mpl.colormaps["tab10"].colors[:count])  # ty: ignore[missing-attribute] - a listed colormap
    return list(mpl.colormaps["turbo"](np.linspace(0.03, 0.97, count)))


def hex_colours(count: int) -> list[str]:
    """The same as #rrggbb, for pages beside the pictures."""
    from matplotlib.colors import to_hex

    return [to_hex(shade) for shade in colours(count)]


def marks(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour and marker of each name, so that no two look alike up to a hundred of them."""
    shades = colours(len(names))
    return {name: {"color": shades[index], "marker": MARKERS[index % len(MARKERS)]} for index, name in enumerate(names)}


def legend(axes: "Axes", *, rows: int = 13, title: str | None = None) -> None:
    """A legend to the right of the axes, in as many columns as it takes; none where nothing has a name.

    Args:
        axes: what it explains
        rows: as many as the panel is high
        title: what the names are
    """
    names = axes.get_legend_handles_labels()[1]
    if names:
        columns = math.ceil(len(names) / rows)
        drawn = axes.legend(
            frameon=False,
            fontsize=8,
            loc="center left",
            bbox_to_anchor=(1, 0.5),
            ncols=columns,
            title=title,
            title_fontsize=9,
        )
        for text in drawn.get_texts():
            text.set_parse_math(False)


def plain(axes: "Axes", *, grid: str = "both") -> None:
    """Light grid lines behind the data, and no frame above and to the right.

    Args:
        axes: what is drawn on
        grid: the axis across which lines run: x, y or both
    """
    axes.grid(axis=grid, color="0.9")  # ty: ignore[invalid-argument-type] - one of three words
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
