"""A timeline in the formats that phoneticians and diarization tools read.

    Timeline --write_timeline(path)--> .rttm, .TextGrid (Praat), .eaf (ELAN), .txt (Audacity labels), .csv, .html

One tier for each speaker where they are known. Time without speech is an empty interval in a TextGrid, a row in CSV,
and nothing in the others.
"""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

from ser_tl.errors import ConfigError
from ser_tl.streaming.timeline import Timeline, TimelineSegment


def format_rttm(timeline: Timeline) -> str:
    """`SPEAKER` lines with the emotion in the place of the speaker's name, and its confidence."""
    name = "_".join(Path(timeline.source).stem.split()) or "recording"
    return "".join(
        f"SPEAKER {name} 1 {segment.start:.3f} {segment.end - segment.start:.3f} <NA> <NA> "
        f"{'_'.join(segment.label.split())} {segment.confidence:.3f} <NA>\n"
        for segment in timeline.segments
        if segment.label
    )


def format_audacity(timeline: Timeline) -> str:
    """Lines of start, end and label, with tabs between."""
    return "".join(
        f"{segment.start:.6f}\t{segment.end:.6f}\t{' '.join(filter(None, [segment.speaker, segment.label]))} "
        f"{segment.confidence:.2f}\n"
        for segment in timeline.segments
        if segment.label
    )


def format_csv(timeline: Timeline) -> str:
    """A row a segment, with the probability of each emotion."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["file", "start", "end", "speech", "speaker", "label", "confidence", *timeline.labels])
    for segment in timeline.segments:
        values = [segment.probabilities.get(label) for label in timeline.labels]
        shown = [
            "" if value is None else f"{value:.6f}"
            for value in [segment.confidence if segment.label else None, *values]
        ]
        times = [f"{segment.start:.3f}", f"{segment.end:.3f}"]
        rows.writerow([timeline.source, *times, str(segment.speech).lower(), segment.speaker, segment.label, *shown])
    return text.getvalue()


def format_textgrid(timeline: Timeline) -> str:
    """Praat's text format: for each speaker a tier of emotions and one of confidences, which cover all the time."""
    tiers = []
    for speaker, segments in _tiers(timeline):
        for kind in ("emotion", "confidence"):
            marked = [
                (segment.start, segment.end, segment.label if kind == "emotion" else f"{segment.confidence:.3f}")
                for segment in segments
            ]
            tiers.append((f"{kind} {speaker}".strip(), list(_cover(marked, timeline.seconds))))
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {timeline.seconds:.6f}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (name, intervals) in enumerate(tiers, 1):
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f'        name = "{_quote(name)}"',
            "        xmin = 0",
            f"        xmax = {timeline.seconds:.6f}",
            f"        intervals: size = {len(intervals)}",
        ]
        for index, (start, end, text) in enumerate(intervals, 1):
            lines += [
                f"        intervals [{index}]:",
                f"            xmin = {start:.6f}",
                f"            xmax = {end:.6f}",
                f'            text = "{_quote(text)}"',
            ]
    return "\n".join(lines) + "\n"


def format_elan(timeline: Timeline) -> str:
    """ELAN's annotation format: a tier of emotions for each speaker, times in milliseconds."""
    document = ElementTree.Element("ANNOTATION_DOCUMENT", AUTHOR="ser_tl", FORMAT="3.0", VERSION="3.0")
    document.set("DATE", "1970-01-01T00:00:00+00:00")  # the same recording gives the same file
    document.set("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
    document.set("xsi:noNamespaceSchemaLocation", "http://www.mpi.nl/tools/elan/EAFv3.0.xsd")
    header = ElementTree.SubElement(document, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    path = Path(timeline.source)
    ElementTree.SubElement(
        header, "MEDIA_DESCRIPTOR", MEDIA_URL=path.name, MIME_TYPE=f"audio/{path.suffix[1:].lower() or 'x-wav'}",
        RELATIVE_MEDIA_URL=f"./{path.name}",
    )  # fmt: skip
    order = ElementTree.SubElement(document, "TIME_ORDER")
    slots = annotations = 0
    for speaker, segments in _tiers(timeline):
        name = {"TIER_ID": f"emotion {speaker}".strip(), "LINGUISTIC_TYPE_REF": "default-lt"}
        tier = ElementTree.SubElement(document, "TIER", {**name, **({"PARTICIPANT": speaker} if speaker else {})})
        for segment in segments:
            for time in (segment.start, segment.end):
                slots += 1
                value = str(round(1000 * time))
                ElementTree.SubElement(order, "TIME_SLOT", TIME_SLOT_ID=f"ts{slots}", TIME_VALUE=value)
            annotations += 1
            outer = ElementTree.SubElement(tier, "ANNOTATION")
            inner = ElementTree.SubElement(
                outer, "ALIGNABLE_ANNOTATION", ANNOTATION_ID=f"a{annotations}", TIME_SLOT_REF1=f"ts{slots - 1}",
                TIME_SLOT_REF2=f"ts{slots}",
            )  # fmt: skip
            ElementTree.SubElement(inner, "ANNOTATION_VALUE").text = segment.label
    ElementTree.SubElement(
        document, "LINGUISTIC_TYPE", GRAPHIC_REFERENCES="false", LINGUISTIC_TYPE_ID="default-lt", TIME_ALIGNABLE="true"
    )
    ElementTree.indent(document)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(document, encoding="unicode") + "\n"


FORMATS: dict[str, Callable[[Timeline], str]] = {
    ".rttm": format_rttm,
    ".textgrid": format_textgrid,
    ".eaf": format_elan,
    ".txt": format_audacity,
    ".csv": format_csv,
}
"""By the ending of a file, in lower case."""


def check_format(path: Path) -> None:
    """Refuses an ending that stands for no format.

    Raises:
        ConfigError: another one
    """
    if path.suffix.lower() not in {*FORMATS, ".html"}:
        raise ConfigError(
            f"output {path}: expected a file that ends with .html, .rttm, .TextGrid (Praat), .eaf (ELAN), .txt "
            f"(Audacity labels) or .csv"
        )


def _tiers(timeline: Timeline) -> Iterator[tuple[str, list[TimelineSegment]]]:
    for speaker in timeline.speakers or [""]:
        yield speaker, [segment for segment in timeline.segments if segment.label and segment.speaker == speaker]


def _cover(marked: list[tuple[float, float, str]], seconds: float) -> Iterator[tuple[float, float, str]]:
    """Intervals end to end over all the time, empty ones between the marked."""
    before = 0.0
    for start, end, text in marked:
        end = min(end, seconds)
        if start - before > 1e-6:
            yield before, start, ""
        yield before if abs(start - before) <= 1e-6 else start, end, text
        before = end
    if seconds - before > 1e-6 or not marked:
        yield before, seconds, ""


def _quote(text: str) -> str:
    return text.replace('"', '""')
