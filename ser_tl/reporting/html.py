"""A comparison as one HTML page that needs nothing beside it.

    Comparison --comparison_page()--> text: tables, and pictures as data URIs; no script, and nothing is fetched

It computes no figure of merit.
"""

import io
from base64 import b64encode
from collections.abc import Callable, Sequence
from html import escape
from typing import IO, TYPE_CHECKING

from ser_tl.reporting.comparison_text import Cells, column_legend, pair_cells, row_cells
from ser_tl.reporting.html_page import build_page
from ser_tl.reporting.plots.comparison import comparison_picture, cost_picture
from ser_tl.reporting.plots.report import confusions_picture

if TYPE_CHECKING:
    from ser_tl.comparison.comparison import Comparison

_CSS_INCH = 96  # pixels, whatever the screen
_METRE = 39.37  # inches
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem }
th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
"""
"""Of every page with tables of scores."""

_STYLE = (
    STYLE
    + """\
th:first-child, td:first-child, table.pairs td:nth-child(2), table.pairs th:nth-child(2) { text-align: left }
thead th { border-bottom: 2px solid #888 } tbody tr.best { background: #eaf5ec }
img { max-width: 100%; height: auto } .note { background: #fdf3dc; padding: 0.6rem 1rem; white-space: pre-line }
"""
)


def comparison_page(comparison: "Comparison", picture: bytes | None = None) -> str:
    """The page, its pictures in it.

    Args:
        comparison: rows and pairs
        picture: what `comparison_picture` has drawn, as PNG; drawn here if None
    """
    title = comparison.title or "Comparison"
    best = comparison.rows[0].difference is not None
    parts = [
        f"<h1>{escape(title)}</h1>",
        *(f'<p class="note">{escape(note)}</p>' for note in comparison.notes),
        _table(row_cells(comparison.rows), best="best" if best else ""),
        _picture(
            "UAR of each system with its interval", picture or _draw(lambda to: comparison_picture(comparison, to))
        ),
        "<h2>Cost and score</h2>",
        _picture("UAR against trainable parameters and minutes", _draw(lambda to: cost_picture(comparison, to))),
    ]
    if comparison.reports:
        parts += [
            "<h2>Confusion</h2>",
            _picture("confusion matrices", _draw(lambda to: confusions_picture(comparison.reports, to))),
        ]
    if comparison.pairs:
        parts += ["<h2>Pairs on the same clips</h2>", _table(pair_cells(comparison.pairs), kind="pairs")]
    parts += ["<h2>How to read this</h2>", _list(column_legend(comparison))]
    body = "\n".join(parts)
    return build_page(title, _STYLE, body)


def _table(cells: Cells, *, kind: str = "", best: str = "") -> str:
    header, rows = cells
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    marked = [f'<tr class="{best}">' if best and not number else "<tr>" for number in range(len(rows))]
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    inside = "\n".join(f"{begin}{line}</tr>" for begin, line in zip(marked, lines, strict=True))
    return (
        f'<div class="wide"><table class="{kind}">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{inside}\n</tbody>\n'
        f"</table></div>"
    )


def _draw(draw: Callable[[IO[bytes]], None]) -> bytes:
    content = io.BytesIO()
    draw(content)
    return content.getvalue()


def _picture(words: str, data: bytes) -> str:
    position = data.index(b"pHYs") + 4  # the chunk with the pixels a metre: shown are as many inches as were drawn
    width = round(int.from_bytes(data[16:20]) / int.from_bytes(data[position : position + 4]) * _METRE * _CSS_INCH)
    return f'<p><img alt="{escape(words)}" width="{width}" src="data:image/png;base64,{b64encode(data).decode()}"></p>'


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
