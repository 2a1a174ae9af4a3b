"""A timeline as one HTML page that needs nothing beside it: a picture, shares of the emotions, a table of segments.

No script, and nothing is fetched.
"""

import io
from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from ser_tl.reporting.html_page import build_page
from ser_tl.reporting.plots.canvas import hex_colours
from ser_tl.reporting.plots.timeline import timeline_picture
from ser_tl.streaming.timeline import Timeline

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 80rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.4rem; overflow-wrap: anywhere } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem }
th, td { padding: 0.25rem 0.8rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th.text, td.text { text-align: left } thead th { border-bottom: 2px solid #888 } tr.pause { color: #888 }
.wide { overflow-x: auto } img { width: 100%; min-width: 50rem; height: auto }
.dot { display: inline-block; width: 0.7em; height: 0.7em; margin-right: 0.5em }
.note { background: #fdf3dc; padding: 0.6rem 1rem }
"""
_NOTE = (
    "A probability is a resemblance to the training recordings, not what anyone feels. Each segment is answered as a "
    "clip of its own; the curves are windows around each point."
)


def format_page(timeline: Timeline, spectrogram: np.ndarray | None = None) -> str:
    """The page, its picture in it.

    Args:
        timeline: what is shown
        spectrogram: of the recording (`measure_spectrogram`)
    """
    facts = [f"{format_time(timeline.seconds)} long", f"speech by {timeline.voice}" if timeline.voice else ""]
    facts += [f"model {timeline.model}" if timeline.model else ""]
    title = f"Emotion over time: {Path(timeline.source).name}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(', '.join(filter(None, facts)))}</p>",
        f'<p class="note">{escape(_NOTE)}</p>',
        _picture(timeline, spectrogram),
        "<h2>Shares of the speech</h2>",
        _shares(timeline),
        "<h2>Segments</h2>",
        _segments(timeline),
    ]
    body = "\n".join(parts)
    return build_page(title, _STYLE, body)


def format_time(seconds: float) -> str:
    """1:02:03.4, hours left out where there are none."""
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    front = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{front}:{rest // 10:02}.{rest % 10}"


def _picture(timeline: Timeline, spectrogram: np.ndarray | None) -> str:
    image = io.BytesIO()
    segments = [
        (segment.start, segment.end, segment.label, segment.speaker) for segment in timeline.segments if segment.label
    ]
    timeline_picture(
        segments, timeline.labels, timeline.times, timeline.probabilities, spectrogram, timeline.seconds, image
    )
    words = "Segments by emotion, probabilities over time, spectrogram"
    data = b64encode(image.getvalue()).decode()
    return f'<div class="wide" tabindex="0"><img alt="{words}" src="data:image/png;base64,{data}"></div>'


def _shares(timeline: Timeline) -> str:
    spoken = dict.fromkeys(timeline.labels, 0.0)
    for segment in timeline.segments:
        if segment.label:
            spoken[segment.label] += segment.end - segment.start
    whole = sum(spoken.values())
    rows = [
        (label, format_time(seconds), f"{100 * seconds / whole:.1f} %")
        for label, seconds in sorted(spoken.items(), key=lambda item: -item[1])
        if seconds
    ]
    if not rows:
        return "<p>No speech was found.</p>"
    dots = _dots(timeline.labels)
    lines = "\n".join(
        f'<tr><td class="text">{dots[label]}{escape(label)}</td><td>{time}</td><td>{share}</td></tr>'
        for label, time, share in rows
    )
    head = '<tr><th class="text">emotion</th><th>time</th><th>share</th></tr>'
    return f"<table>\n<thead>{head}</thead>\n<tbody>\n{lines}\n</tbody>\n</table>"


def _dots(labels: Sequence[str]) -> dict[str, str]:
    """A square in an emotion's colour in the picture, whose legend is out of sight on a phone."""
    shades = zip(labels, hex_colours(len(labels)), strict=True)
    return {label: f'<span class="dot" style="background: {shade}"></span>' for label, shade in shades}


def _segments(timeline: Timeline) -> str:
    has_speakers = bool(timeline.speakers)
    dots = _dots(timeline.labels)
    lines = []
    for segment in timeline.segments:
        shown = segment.label if segment.label else "(too short)" if segment.speech else "(no speech)"
        row = "<tr>" if segment.label else '<tr class="pause">'
        speaker = f'<td class="text">{escape(segment.speaker)}</td>' if has_speakers else ""
        others = sorted(segment.probabilities.items(), key=lambda item: -item[1])[1:3]
        next_best = ", ".join(f"{label} {100 * value:.0f} %" for label, value in others if value >= 0.05)
        confidence = f"{100 * segment.confidence:.0f} %" if segment.label else ""
        lines.append(
            f"{row}<td>{format_time(segment.start)}</td><td>{format_time(segment.end)}</td>"
            f'{speaker}<td class="text">{dots.get(segment.label, "")}{escape(shown)}</td>'
            f"<td>{confidence}</td>"
            f'<td class="text">{escape(next_best)}</td></tr>'
        )
    head = "<th>start</th><th>end</th>" + ('<th class="text">speaker</th>' if has_speakers else "")
    head += '<th class="text">emotion</th><th>probability</th><th class="text">next</th>'
    inside = "\n".join(lines)
    table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{inside}\n</tbody>\n</table>"
    return f'<div class="wide" tabindex="0">{table}</div>'
