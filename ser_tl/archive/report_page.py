"""The pages of an archive's report: index.html with tables and the picture, listening.html with uncertain clips.

No script, and nothing is fetched: the clips lie beside the page.
"""

import io
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from ser_tl.archive.quality import FLAGS
from ser_tl.archive.report import NO_SPEECH, ArchiveReport, UncertainRow
from ser_tl.archive.report_picture import archive_picture, most_of
from ser_tl.reporting.html_page import build_page

_MOST = 40
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 78rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; overflow-wrap: anywhere } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem }
th, td { padding: 0.25rem 0.8rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th.text, td.text { text-align: left } td.long { white-space: normal; overflow-wrap: anywhere; max-width: 34rem }
thead th { border-bottom: 2px solid #888; vertical-align: bottom } .wide { overflow-x: auto }
img { max-width: 100%; height: auto } audio { height: 2rem; width: 16rem; vertical-align: middle }
.note { background: #fdf3dc; padding: 0.6rem 1rem }
"""
_NOTE = (
    "A probability is a resemblance to the training recordings, not what anyone feels. On recordings unlike them "
    "(other languages, rooms, telephones) confidence doesn't rank answers reliably: listen before you count."
)


def format_report(report: ArchiveReport) -> str:
    """The page of an archive.

    Args:
        report: what is in it
    """
    missing = f", {report.missing} still missing" if report.missing else ""
    errors = report.errors.total()
    facts = [
        f"{report.rows:,} rows in {report.shards:,} shards{missing}",
        f"{errors:,} errors",
        f"{report.abstained:,} abstained",
        f"model {report.model}",
        f"confidence {'calibrated' if report.calibrated else 'not calibrated'}",
    ]
    drift_parts = []
    if report.drift is not None:
        drift = report.drift
        drift_parts = [
            "<h2>Drift of confidence</h2>",
            f"<p>The model is {escape(drift.verdict)} ({escape(drift.reference)}): mean {drift.mean:.3f} against "
            f"{drift.reference_mean:.3f}, Kolmogorov-Smirnov distance {drift.distance:.3f}, population stability index "
            f"{drift.stability:.3f} (below 0.1 the same, above 0.25 another distribution).</p>",
        ]
    parts = [
        f"<h1>Archive: {escape(report.source)}</h1>",
        f"<p>{escape(', '.join(facts))}</p>",
        f'<p class="note">{escape(_NOTE)}</p>',
        _picture(report),
        *drift_parts,
        f'<p><a href="listening.html">The {len(report.uncertain)} least certain clips, to listen to</a></p>'
        if report.uncertain
        else "",
        *(_shares(report, name) for name in ("label", "language", "folder", "day")),
        _counts("Quality", ("flag", "meaning"), [(name, FLAGS.get(name, "")) for name in FLAGS], report.quality),
        _counts("Errors", ("reason",), [(reason,) for reason, _ in report.errors.most_common(_MOST)], report.errors),
    ]
    return _wrap(f"Archive: {report.source}", parts)


def format_listening(report: ArchiveReport, files: Sequence[str | None]) -> str:
    """The page to listen to.

    Args:
        report: with the least certain rows
        files: the clip of each, relative to the page; None where it can't be read any more
    """
    head = '<th>confidence</th><th class="text">likeliest</th><th></th><th>seconds</th><th class="text">clip</th>'
    lines = "\n".join(_listen_row(row, file) for row, file in zip(report.uncertain, files, strict=True))
    table = f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n</table></div>'
    text = f"Of {report.rows:,} rows those whose likeliest emotion is the least likely, at most 30 s of each."
    return _wrap(
        "The least certain clips",
        [f"<h1>The least certain clips: {escape(report.source)}</h1>", f"<p>{text}</p>", table],
    )


def _listen_row(row: UncertainRow, file: str | None) -> str:
    likeliest = sorted(row.probabilities.items(), key=lambda item: -item[1])[:3]
    names = ", ".join(f"{name} {100 * value:.0f} %" for name, value in likeliest)
    sound = f'<audio controls preload="none" src="{escape(file)}"></audio>' if file else "can't be read any more"
    return (
        f'<tr><td>{100 * row.confidence:.1f} %</td><td class="text">{escape(names)}</td><td>{sound}</td>'
        f'<td>{row.start:.1f} to {row.end:.1f}</td><td class="text long">{escape(row.id)}</td></tr>'
    )


def _shares(report: ArchiveReport, name: str) -> str:
    table: Mapping[str, Counter[str]] = report.tables[name]
    if name == "label":
        whole = max(1, report.label_counts.total())
        rows = [(label, f"{report.label_counts[label]:,}", f"{100 * report.label_counts[label] / whole:.1f} %",
                 f"{report.by_label[label]:.3f}" if label in report.by_label else "")
                for label in [*report.labels, NO_SPEECH]]  # fmt: skip
        return _table("By label", ("label", "rows", "share", "mean confidence"), rows)
    shown = most_of(table, _MOST)
    ordered = sorted(shown) if name == "day" else list(shown)
    labels = [*report.labels, *([NO_SPEECH] if report.label_counts[NO_SPEECH] else [])]
    rows = [
        (
            key,
            f"{shown[key].total():,}",
            *(f"{100 * shown[key][label] / max(1, shown[key].total()):.0f} %" for label in labels),
        )
        for key in ordered
    ]
    return _table(f"By {name}", (name, "rows", *labels), rows)


def _counts(title: str, names: Sequence[str], keys: Sequence[tuple[str, ...]], counts: Counter[str]) -> str:
    rows = [(*key, f"{counts[key[0]]:,}") for key in keys if counts[key[0]]]
    if not rows:
        return f"<h2>{title}</h2>\n<p>None.</p>"
    return _table(title, (*names, "rows"), rows, texts=len(names))


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    kinds = ["text long" if column < texts else "" for column in range(len(head))]
    first = "".join(f'<th class="{kind}">{escape(name)}</th>' for kind, name in zip(kinds, head, strict=True))
    lines = "\n".join(f"<tr>{_cells(kinds, row)}</tr>" for row in rows)
    return (
        f'<h2>{escape(title)}</h2>\n<div class="wide"><table>\n<thead><tr>{first}</tr></thead>\n<tbody>\n{lines}\n'
        f"</tbody>\n</table></div>"
    )


def _cells(kinds: Sequence[str], cells: Sequence[str]) -> str:
    return "".join(f'<td class="{kind}">{escape(cell)}</td>' for kind, cell in zip(kinds, cells, strict=True))


def _picture(report: ArchiveReport) -> str:
    image = io.BytesIO()
    archive_picture(report, image)
    words = "Labels, confidence, labels by day and by language or folder"
    return f'<p><img alt="{words}" src="data:image/png;base64,{b64encode(image.getvalue()).decode()}"></p>'


def _wrap(title: str, parts: Sequence[str]) -> str:
    return build_page(title, _STYLE, "\n".join(filter(None, parts)))
