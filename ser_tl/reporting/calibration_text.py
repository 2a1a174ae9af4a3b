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
    calibrations = find_calibrations(report)
    if not calibrations:
        return NOT_RECORDED
    states = [describe_calibration(value, len(report.predictions.labels)) for value in calibrations]
    if len(states) == 1:
        return states[0]
    if NEVER in states:
        return f"of {len(states)} folds, {states.count(NEVER)} were {NEVER}"
    temperatures = [1.0 / value["scale"][0] for value in calibrations if len(value["scale"]) == 1]
    span = f", temperatures {min(temperatures):.2f} to {max(temperatures):.2f}" if temperatures else ""
    return f"each fold calibrated on its own training's speakers ({calibrations[0]['source']}){span}"


def calibration_lines(report: "Report") -> list[str]:
    """Three lines or so, to be printed."""
    calibration, selection = report.calibration, report.selection
    if calibration is None or selection is None:
        return []
    between = (
        interval_cell(calibration.interval.low, calibration.interval.high) if calibration.interval else "no interval"
    )
    lines = [
        f"calibration: ECE {percent(calibration.ece)} % ({between}), confidence {percent(calibration.confidence)} at "
        f"accuracy {percent(calibration.accuracy)} %, Brier {calibration.brier:.3f}, log loss "
        f"{calibration.log_loss:.3f}",
        f"abstaining: the surest 80 % are {percent(selection.accuracy_at_80)} % right; AURC "
        f"{percent(selection.aurc)} %",
    ]
    if report.sets is not None:
        sets = report.sets
        name, least = next(iter(sets.per_speaker.items()))
        lines.append(
            f"prediction sets of {percent(sets.target)} %: hold {percent(sets.coverage)} %, {sets.size:.2f} "
            f"emotions on average; least of {name}, {percent(least['coverage'])} % "
            f"({interval_cell(least['low'], least['high'])})"
        )
    return [*lines, f"probabilities: {calibration_state(report)}"]


def calibration_section(report: "Report") -> list[str]:
    """The sections on calibration and abstention, as Markdown."""
    calibration, selection = report.calibration, report.selection
    if calibration is None or selection is None:
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
    calibration = report.calibration
    if calibration is None:
        return ""
    between = (
        ""
        if calibration.interval is None
        else f" ({interval_cell(calibration.interval.low, calibration.interval.high)})"
    )
    rows = [
        ["ECE % (95 % interval over speakers)", f"{percent(calibration.ece)}{between}"],
        ["mean confidence %", percent(calibration.confidence)],
        ["accuracy %", percent(calibration.accuracy)],
        ["Brier score", f"{calibration.brier:.3f}"],
        [
            "miscalibration, discrimination, uncertainty",
            f"{calibration.miscalibration:.3f}, {calibration.discrimination:.3f}, {calibration.uncertainty:.3f}",
        ],
        ["log loss, nats", f"{calibration.log_loss:.3f}"],
    ]
    return table(["figure", "value"], rows)


def _speakers(report: "Report") -> str:
    every = {} if report.calibration is None else report.calibration.per_speaker
    shown = sorted(every.items(), key=lambda item: (-item[1]["gap"], item[0]))[:_MOST_SPEAKERS]
    rows = [
        [
            name,
            *(percent(scores[figure]) for figure in ("confidence", "accuracy")),
            f"{100 * scores['gap']:+z.1f}",
            f"{scores['brier']:.3f}",
            f"{scores['log_loss']:.3f}",
            str(scores["support"]),
        ]
        for name, scores in shown
    ]
    return table(["speaker", "confidence %", "accuracy %", "gap", "Brier", "log loss", "clips"], rows)


def _sets(report: "Report") -> list[str]:
    sets = report.sets
    if sets is None:
        return []
    rows = [
        [
            name,
            percent(scores["coverage"]),
            interval_cell(scores["low"], scores["high"]),
            f"{scores['size']:.2f}",
            str(scores["support"]),
        ]
        for name, scores in list(sets.per_speaker.items())[:_MOST_SPEAKERS]
    ]
    between = "" if sets.interval is None else f" ({interval_cell(sets.interval.low, sets.interval.high)})"
    classes = ", ".join(f"{name} {percent(share)}" for name, share in sets.per_class.items())
    alone = "" if sets.single_accuracy is None else f", of which {percent(sets.single_accuracy)} % are right"
    return [
        f"Prediction sets for {percent(sets.target)} % of new speakers' clips hold **{percent(sets.coverage)} %**"
        f"{between}, with {sets.size:.2f} emotions on average; {percent(sets.single)} % name one emotion{alone}, on "
        f"the others the model abstains. By emotion: {classes}.",
        "By speaker, the least covered first; the interval is what chance alone explains for so many clips:",
        table(["speaker", "covered %", "95 % interval", "emotions in a set", "clips"], rows),
    ]
