"""Cells and tables of text: for the terminal, and as Markdown.

Fractions become percent with one decimal, correlations have three, undefined figures are a dash.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ser_tl.evaluation.bootstrap import Interval

UNDEFINED = "\N{EN DASH}"


def percent(fraction: float | None) -> str:
    """Percent with one decimal, and no sign of zero; a dash where the figure is undefined."""
    return UNDEFINED if fraction is None else f"{100 * fraction:z.1f}"


def interval_cell(low: float | None, high: float | None) -> str:
    """An interval's ends, for a table; a dash where there is none."""
    return UNDEFINED if low is None or high is None else f"{percent(low)} to {percent(high)}"


def correlation(figure: float | None) -> str:
    """A correlation with three decimals; a dash where it is undefined."""
    return UNDEFINED if figure is None else f"{figure:z.3f}"


def correlation_interval(interval: "Interval | None") -> str:
    """The ends of a correlation's interval; a dash where there is none."""
    return UNDEFINED if interval is None else f"{correlation(interval.low)} to {correlation(interval.high)}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, rest: str = "---:") -> str:
    """A Markdown table, the first column to the left, the others aligned as `rest` says."""
    aligned = ["---", *(rest for _ in header[1:])]  # numbers stand to the right
    lines = [[_cell(text) for text in row] for row in [header, *rows]]
    lines.insert(1, aligned)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """An empty line, and a table for the terminal."""
    widths = [max(10, *(len(row[index]) for row in [header, *rows])) for index in range(len(header))]
    widths[0] = max(len(row[0]) for row in [header, *rows])
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in [header, *rows]
    ]
    return ["", *lines]
