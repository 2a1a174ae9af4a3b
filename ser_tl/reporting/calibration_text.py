"""A report's calibration, prediction sets and risk-coverage figures as text.

    Report --calibration_lines()--> for the terminal      Report --calibration_section()--> Markdown, with the pictures

It computes nothing: the figures are the report's.
"""

from typing import TYPE_CHECKING

from ser_tl.evaluation.calibration_facts import find_calibrations
from ser_tl.modules.calibration import NEVER, describe_calibration
from ser_tl.reporting.cells import interval_cell, percent, table

if TYPE_CHECKING:
    from ser_tl.evaluation.report import Report

PICTURE = "reliability.png"
NOT_RECORDED = "whether these probabilities were calibrated isn't recorded"
_MOST_SPEAKERS = 20


def calibration_state(report: "Report") -> str:
    """How the probabilities were calibrated, by the report's facts, in a line."""
    known = find_calibrations(report)
    if not known:
        return NOT_RECORDED
    found = [describe_calibration(value, len(report.predictions.labels)) for value in known]
    if len(found) == 1:
        return found[0]
    if NEVER in found:
        return f"of {len(found)} folds, {found.count(NEVER)} were {NEVER}"
    temperatures = [1.0 / value["scale"][0] for value in known if len(value["scale"]) == 1]
    span = f", temperatures {min(temperatures):.2f} to {max(temperatures):.2f}" if temperatures else ""
    return f"each fold calibrated on its own training's speakers ({known[0]['source']}){span}"


def calibration_lines(report: "Report") -> list[str]:
    """Three lines or so, to be printed."""
    own, selection = report.calibration, report.selection
    if own is None or selection is None:
        return []
    between = interval_cell(own.interval.low, own.interval.high) if own.interval else "no interval"
    lines = [
        f"calibration: ECE {percent(own.ece)} % ({between}), confidence {percent(own.confidence)} at accuracy "
        f"{percent(own.accuracy)} %, Brier {own.brier:.3f}, log loss {own.log_loss:.3f}",
        f"abstaining: the surest 80 % are {percent(selection.accuracy_at_80)} % right; AURC "
        f"{percent(selection.aurc)} %",
    ]
    if report.sets is not None:
        found = report.sets
        name, least = next(iter(found.per_speaker.items()))
        lines.append(
            f"prediction sets of {percent(found.target)} %: hold {percent(found.coverage)} %, {found.size:.2f} "
            f"emotions on average; least of {name}, {percent(least['coverage'])} % "
            f"({interval_cell(least['low'], least['high'])})"
        )
    return [*lines, f"probabilities: {calibration_state(report)}"]


def calibration_section(report: "Report") -> list[str]:
    """The sections on calibration and abstention, as Markdown."""
    own, selection = report.calibration, report.selection
    if own is None or selection is None:
        return []
    parts = [
        "## Calibration",
        f"Probabilities: {calibration_state(report)}.",
        f"![Reliability and risk-coverage curve]({PICTURE})",
        calibration_table(report),
        "ECE: mean |accuracy - confidence| over 15 bins of as many clips each, less what chance adds. Brier score = "
        "miscalibration - discrimination + uncertainty.",
        "By speaker, the most over-confident first:",
        _speakers(report),
        "## Abstaining",
        f"The surest 80 % of the clips are {percent(selection.accuracy_at_80)} % right, all of them "
        f"{percent(selection.accuracy)} %. Area under the risk-coverage curve: {percent(selection.aurc)} %, of which a "
        f"perfect ranking wouldn't have {percent(selection.excess)}.",
    ]
    return [*parts, *_sets(report)]


def calibration_table(report: "Report") -> str:
    """The figures of calibration, as Markdown."""
    own = report.calibration
    if own is None:
        return ""
    between = "" if own.interval is None else f" ({interval_cell(own.interval.low, own.interval.high)})"
    rows = [
        ["ECE % (95 % interval over speakers)", f"{percent(own.ece)}{between}"],
        ["mean confidence %", percent(own.confidence)],
        ["accuracy %", percent(own.accuracy)],
        ["Brier score", f"{own.brier:.3f}"],
        [
            "miscalibration, discrimination, uncertainty",
            f"{own.miscalibration:.3f}, {own.discrimination:.3f}, {own.uncertainty:.3f}",
        ],
        ["log loss, nats", f"{own.log_loss:.3f}"],
    ]
    return table(["figure", "value"], rows)


def _speakers(report: "Report") -> str:
    every = {} if report.calibration is None else report.calibration.per_speaker
    shown = sorted(every.items(), key=lambda item: (-item[1]["gap"], item[0]))[:_MOST_SPEAKERS]
    rows = [
        [
            name,
            *(percent(own[figure]) for figure in ("confidence", "accuracy")),
            f"{100 * own['gap']:+.1f}",
            f"{own['brier']:.3f}",
            f"{own['log_loss']:.3f}",
            str(own["support"]),
        ]
        for name, own in shown
    ]
    return table(["speaker", "confidence %", "accuracy %", "gap", "Brier", "log loss", "clips"], rows)


def _sets(report: "Report") -> list[str]:
    found = report.sets
    if found is None:
        return []
    rows = [
        [
            name,
            percent(own["coverage"]),
            interval_cell(own["low"], own["high"]),
            f"{own['size']:.2f}",
            str(own["support"]),
        ]
        for name, own in list(found.per_speaker.items())[:_MOST_SPEAKERS]
    ]
    between = "" if found.interval is None else f" ({interval_cell(found.interval.low, found.interval.high)})"
    classes = ", ".join(f"{name} {percent(share)}" for name, share in found.per_class.items())
    alone = "" if found.single_accuracy is None else f", of which {percent(found.single_accuracy)} % are right"
    return [
        f"Prediction sets for {percent(found.target)} % of new speakers' clips hold **{percent(found.coverage)} %**"
        f"{between}, with {found.size:.2f} emotions on average; {percent(found.single)} % name one emotion{alone}, on "
        f"the others the model abstains. By emotion: {classes}.",
        "By speaker, the least covered first; the interval is what chance alone explains for so many clips:",
        table(["speaker", "covered %", "95 % interval", "emotions in a set", "clips"], rows),
    ]
