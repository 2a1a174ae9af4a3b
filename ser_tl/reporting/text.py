"""A report as text: for the terminal, and as Markdown for a folder or a model card.

    Report --terminal()--> a few lines        Report --markdown()--> report.md

Fractions become percent with one decimal, correlations have three, undefined figures are a dash. Of a model of
dimensions alone the mean CCC is the headline, and nothing is said of classes. It computes nothing: the figures are the
report's.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ser_tl.data.speakers import UNKNOWN
from ser_tl.reporting.calibration_text import calibration_lines, calibration_section
from ser_tl.reporting.cells import UNDEFINED as UNDEFINED
from ser_tl.reporting.cells import columns, correlation, correlation_interval, percent, table
from ser_tl.reporting.cells import interval_cell as interval_cell

if TYPE_CHECKING:
    from ser_tl.evaluation.bootstrap import Interval
    from ser_tl.evaluation.report import Report

_FIGURES = {"uar": "UAR", "war": "WAR", "macro_f1": "macro F1", "weighted_f1": "weighted F1"}
_DIMENSIONS = ["dimension", "CCC", "95 % interval", "Pearson", "95 % interval", "annotated"]
LEGEND = "UAR: unweighted average recall, the mean of the classes' recalls; WAR: weighted average recall, the accuracy"
"""What the headline figures are short for."""

_MOST_SPEAKERS = 20  # rows of the speakers' table; report.json has them all


def score_text(report: "Report") -> str:
    """The headline figure alone."""
    return f"UAR {percent(report.uar)} %" if report.scores else f"mean CCC {correlation(report.ccc)}"


def interval_text(report: "Report") -> str:
    """The interval of the UAR in words, or why there is none."""
    if report.interval is None and UNKNOWN in report.per_speaker:
        return "no interval: it would be over speakers, and the speakers are unknown"
    if report.interval is None:
        return "no interval: it would be over speakers, and the test set has one only"
    interval = report.interval
    return (
        f"{100 * interval.level:.0f} % interval {percent(interval.low)} to {percent(interval.high)}, "
        f"{interval.resamples} bootstrap draws of the {len(report.per_speaker)} {interval.over}"
    )


def terminal(report: "Report") -> str:
    """Headline, interval, folds and the classes' table, to be printed."""
    lines = [report.title] if report.title else []
    if report.scores:
        header = ["class", "recall", "precision", "F1", "utterances"]
        lines += [
            f"{score_text(report)}{_pooled(report)} ({interval_text(report)})",
            f"{others(report)}; {_size(report)}",
            *folds_sentence(report),
            f"({LEGEND})",
            *columns(header, _class_rows(report)),
            "",
            *calibration_lines(report),
            *(
                f"by {groups.column}: "
                + ", ".join(f"{name} UAR {percent(score.uar)}" for name, score in groups.groups.items())
                + f", {100 * groups.gap:.1f} points apart ({_ends(groups.interval)})"
                for groups in report.groups
            ),
        ]
    else:
        lines += [f"{score_text(report)}{_pooled(report)}; {_size(report)}"]
    if report.dimensions:
        lines += columns(_DIMENSIONS, _dimension_rows(report))
    if report.cautions or report.notes:
        lines += ["", *(f"note: {note}" for note in (*report.cautions, *report.notes))]
    return "\n".join(lines)


def markdown(report: "Report") -> str:
    """The whole report, with a link to the picture beside it."""
    labels = report.predictions.labels
    counts = [[f"**{label}**", *map(str, row)] for label, row in zip(labels, report.confusion.tolist(), strict=True)]
    parts = [
        f"# {report.title or 'Evaluation'}",
        headline(report),
        f"{f'{others(report)}; ' if report.scores else ''}{_size(report)}.",
        *([f"{LEGEND}."] if report.scores else []),
    ]
    if report.cautions or report.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in (*report.cautions, *report.notes))]
    if report.folds:
        parts += ["## Folds", *(f"{line}." for line in folds_sentence(report)), _fold_table(report)]
    if report.dimensions:
        parts += [
            "## Dimensions",
            "CCC: concordance correlation with the annotations. Intervals are over speakers.",
            dimension_table(report),
            "![Predicted against annotated dimensions](dimensions.png)",
        ]
    if report.scores:
        parts += [
            "## Classes",
            class_table(report),
            "## Confusion",
            "Rows are references, columns predictions.",
            "![Confusion matrix](confusion.png)",
            table(["", *labels], counts),
            *calibration_section(report),
            *_groups(report),
            "## Speakers",
            *_speakers(report.per_speaker),
        ]
    if report.facts:
        facts = [[name, _fact(value)] for name, value in report.facts.items() if name != "groups"]
        parts += ["## Facts", table(["fact", "value"], facts, rest="---")]
    return "\n\n".join(parts) + "\n"


def _pooled(report: "Report") -> str:
    return f" pooled over {_count(len(report.folds), 'fold')}" if report.folds else ""


def headline(report: "Report") -> str:
    """The UAR and its interval, or the mean CCC of a model of dimensions alone, as Markdown."""
    if not report.scores:
        return f"**Mean CCC {correlation(report.ccc)}** of {', '.join(report.dimensions)}{_pooled(report)}."
    return f"**UAR {percent(report.uar)} %**{_pooled(report)} ({interval_text(report)})."


def others(report: "Report") -> str:
    """The figures beside the UAR; nothing for a model of dimensions alone."""
    scores = report.scores
    if scores is None:
        return ""
    return (
        f"WAR {percent(scores.war)} %, macro F1 {percent(scores.macro_f1)} %, "
        f"weighted F1 {percent(scores.weighted_f1)} %"
        + "".join(f", {name} {correlation(value)}" for name, value in report.metrics.items())
    )


def _size(report: "Report") -> str:
    people = len({*report.per_speaker} - {UNKNOWN})
    unknown = " and unknown ones" if people else "unknown speakers"
    speakers = (_count(people, "speaker") if people else "") + (unknown if UNKNOWN in report.per_speaker else "")
    return f"{_count(len(report.predictions), 'utterance')}, {speakers}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def folds_sentence(report: "Report") -> list[str]:
    """The mean over the folds, in one sentence without its full stop; none without folds."""
    if not report.folds_mean:
        return []
    figures = (
        f"{name} {percent(mean['mean'])} \N{PLUS-MINUS SIGN} {percent(mean['std'])} %"
        for name, mean in ((_FIGURES[key], mean) for key, mean in report.folds_mean.items())
    )
    return [f"Mean and standard deviation over {_count(len(report.folds), 'fold')}: {', '.join(figures)}"]


def _fold_table(report: "Report") -> str:
    figures = _FIGURES if report.scores else {}
    rows = [
        [name, *(percent(getattr(fold.scores, figure)) for figure in figures), str(fold.support)]
        for name, fold in report.folds.items()
    ]
    return table(["fold", *(f"{name} %" for name in figures.values()), "utterances"], rows)


def class_table(report: "Report") -> str:
    """Recall, precision and F1 of each class, as Markdown."""
    return table(["class", "recall %", "precision %", "F1 %", "utterances"], _class_rows(report))


def dimension_table(report: "Report") -> str:
    """CCC and Pearson's correlation of each dimension with their intervals, as Markdown."""
    return table(_DIMENSIONS, _dimension_rows(report))


def _dimension_rows(report: "Report") -> list[list[str]]:
    return [
        [
            name,
            correlation(scores.ccc),
            correlation_interval(scores.ccc_interval),
            correlation(scores.pearson),
            correlation_interval(scores.pearson_interval),
            str(scores.support),
        ]
        for name, scores in report.dimensions.items()
    ]


def _class_rows(report: "Report") -> list[list[str]]:
    return [
        [label, *(percent(figures[figure]) for figure in ("recall", "precision", "f1")), str(figures["support"])]
        for label, figures in report.per_class.items()
    ]


def _speakers(per_speaker: Mapping[str, Mapping[str, float]]) -> list[str]:
    hardest = sorted(per_speaker.items(), key=lambda item: (item[1]["uar"], item[0]))[:_MOST_SPEAKERS]
    rows = [
        [name, percent(figures["uar"]), percent(figures["war"]), str(figures["support"])] for name, figures in hardest
    ]
    caption = "Hardest first; a speaker's UAR is over the classes that the speaker has."
    if len(per_speaker) > len(rows):
        caption += f" The {len(rows)} hardest of {len(per_speaker)}; report.json has them all."
    return [caption, table(["speaker", "UAR %", "WAR %", "utterances"], rows)]


def _ends(interval: "Interval | None") -> str:
    return interval_cell(None, None) if interval is None else interval_cell(interval.low, interval.high)


def _groups(report: "Report") -> list[str]:
    """The UAR of groups of speakers, as Markdown."""
    parts = ["## Groups of speakers"] if report.groups else []
    for groups in report.groups:
        rows = [
            [name, percent(score.uar), _ends(score.interval), str(score.speakers), str(score.support)]
            for name, score in groups.groups.items()
        ]
        between = "" if groups.interval is None else f" (95 % interval over speakers {_ends(groups.interval)})"
        unknown = f"; of {groups.unknown} utterances it isn't known" if groups.unknown else ""
        parts += [
            table([groups.column, "UAR %", "95 % interval", "speakers", "utterances"], rows),
            f"Between the best and the worst {100 * groups.gap:.1f} points{between}{unknown}.",
        ]
    return parts


def _fact(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
