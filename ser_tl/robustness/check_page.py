"""A check as one HTML page: pass rates, tests, and what each change sounds like.

Check, Sample, changes --page()--> text; audio is in it as Ogg Opus, no script, and nothing is fetched
"""

import io
from base64 import b64encode
from collections.abc import Sequence
from html import escape

import numpy as np
import soundfile

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.reporting.html import STYLE
from ser_tl.reporting.html_page import build_page
from ser_tl.reporting.text import percent
from ser_tl.robustness.change import THEMES, Change
from ser_tl.robustness.check import Check, row_cells
from ser_tl.robustness.judgement import Verdict
from ser_tl.robustness.measure import ChangeRow, Sample

_STYLE = (
    STYLE
    + """\
th:first-child, td:first-child { text-align: left }
tr.no td { background: #fdecea } audio { height: 2rem; width: 11rem; vertical-align: middle }
h1 { overflow-wrap: anywhere } thead th { white-space: normal }
.changes { width: 100%; min-width: 68rem; table-layout: fixed }
.changes th, .changes td { padding: 0.3rem 0.4rem; box-sizing: border-box }
.changes td:first-child, .changes td:last-child { white-space: normal }
.changes th { width: 6.6rem } .changes th:first-child { width: auto }
.changes th:nth-child(2), .changes th:nth-child(7) { width: 4.6rem }
.changes th:nth-child(4) { width: 7.6rem } .changes th:nth-child(5) { width: 8rem }
.changes th:nth-child(8) { width: 11.8rem } .changes th:last-child { width: 10rem }
@media (max-width: 30rem) { th, td { padding: 0.3rem 0.4rem } }
@media (max-width: 70rem) { /* the table scrolls, the names stay in view */
  .changes th:first-child, .changes td:first-child { position: sticky; left: 0; background: #fff; width: 9rem }
  .changes tr.no td:first-child { background: #fdecea }
}
"""
)
_HEADER = ["change", "UAR %", "difference", "95 % interval", "unchanged %", "confidence", "passed", "example", "answer"]
_LONGEST = 6.0  # seconds of an example


def format_page(check: Check, sample: Sample, changes: Sequence[Change]) -> str:
    """The page of a check.

    Args:
        check: its results
        sample: its clips
        changes: in the order of its rows
    """
    clips = dict(zip(sample.ids, sample.clips, strict=True))
    title = f"{check.model} on {check.corpus}"
    facts = f"{check.clips} clips of {check.speakers} speakers; as recorded UAR {percent(check.uar)} %"
    rates = [
        [theme, f"{rate.passed} of {rate.tests}", percent(rate.passed / rate.tests), percent(rate.random)]
        for theme, rate in check.rates.items()
    ]
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(facts)}, mean probability of the likeliest emotion {check.confidence:.2f}.</p>",
        _table(["theme", "passed", "%", "a random model %"], [(cells, "") for cells in rates]),
    ]
    for theme, about in THEMES.items():
        pairs = [(row, change) for row, change in zip(check.rows, changes, strict=True) if row.theme == theme]
        if pairs:
            rows = [(_cells(row, change, clips), _kind(row)) for row, change in pairs]
            parts += [f"<h2>{escape(theme.capitalize())}: {escape(about)}</h2>", _table(_HEADER, rows, escaped=True)]
    for theme in ("correctness", "fairness"):
        verdicts = [verdict for verdict in check.verdicts if verdict.theme == theme]
        if verdicts:
            rows = [(_verdict_cells(verdict), "" if verdict.passed else "no") for verdict in verdicts]
            parts += [f"<h2>{theme.capitalize()}</h2>", _table(["test", "value", "limit", "passed"], rows)]
    parts += [f"<h2>How to read this</h2><p>{escape(_READING)}</p>"]
    body = "\n".join(parts)
    return build_page(title, _STYLE, body)


_READING = (
    "Nothing but the audio differs. The difference of UAR has a paired 95 % interval over speakers; unchanged is the "
    "share of clips with the same answer as before. The example is a clip whose answer changed, where there is one. A "
    "change without yes or no is shown and not judged. A random model answers each clip at random, each time anew: a "
    "theme that it passes says little."
)


def _kind(row: ChangeRow) -> str:
    return "no" if False in row.passes else ""


def _cells(row: ChangeRow, change: Change, clips: dict[str, np.ndarray]) -> list[str]:
    before, after = row.answers
    text = before if before == after else f"{before} \N{RIGHTWARDS ARROW} {after}"
    changed = change.apply(clips[row.example], row.example)
    return [escape(row.name), *map(escape, row_cells(row)), _player(changed, row.name), escape(text)]


def _verdict_cells(verdict: Verdict) -> list[str]:
    return [verdict.name, f"{verdict.value:z.3f}", f"{verdict.limit:g}", "yes" if verdict.passed else "no"]


def _player(waveform: np.ndarray, words: str) -> str:
    content = io.BytesIO()
    samples = waveform[: round(_LONGEST * SAMPLE_RATE)]
    soundfile.write(content, samples, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=0.92)
    data = b64encode(content.getvalue()).decode()
    return f'<audio controls preload="none" aria-label="{escape(words)}" src="data:audio/ogg;base64,{data}"></audio>'


def _table(header: Sequence[str], rows: Sequence[tuple[Sequence[str], str]], *, escaped: bool = False) -> str:
    """Rows of cells, each with a class; cells are text unless `escaped`."""
    lines = []
    for cells, kind in rows:
        inside = "".join(f"<td>{cell if escaped else escape(cell)}</td>" for cell in cells)
        lines.append(f'<tr class="{kind}">{inside}</tr>' if kind else f"<tr>{inside}</tr>")
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "\n".join(lines)
    begin = '<table class="changes">' if escaped else "<table>"
    return f'<div class="wide">{begin}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'
