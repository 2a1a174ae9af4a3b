"""What a card says of the model's probabilities, of groups of speakers, and of what it is for.

Known --purpose(), confidence(), groups()--> Markdown
"""

from ser_tl.card.known import Known
from ser_tl.modules.calibration import describe_calibration
from ser_tl.reporting.calibration_text import calibration_state, calibration_table
from ser_tl.reporting.text import interval_cell, percent, table

PICTURE_FILE = "reliability.png"

NOT_STATED = (
    "**Not stated.** Whoever publishes or deploys this model has to say what it is for, and has trained and tested it "
    "for that: `--purpose` of the recipes and of `ser-tl push`."
)


def purpose(known: Known) -> list[str]:
    """The intended purpose, which every card has to state."""
    return ["## Intended purpose", known.purpose or NOT_STATED]


def confidence(known: Known) -> list[str]:
    """Calibration, prediction sets and abstention."""
    labels = known.config["labels"]
    if not labels:
        return []
    state = describe_calibration(known.config.get("calibration"), len(labels))
    parts = ["## Can its probabilities be acted on?", f"This model: {state}."]
    report = known.report
    if report is None or report.calibration is None or report.selection is None:
        return parts
    parts += [
        f"Measured on the speakers of the score above ({calibration_state(report)}):",
        calibration_table(report),
        f"![Reliability and risk-coverage curve]({PICTURE_FILE})",
        f"The surest 80 % of the clips are {percent(report.selection.accuracy_at_80)} % right, all of them "
        f"{percent(report.selection.accuracy)} %.",
    ]
    if report.sets is not None:
        found = report.sets
        rows = [
            [name, percent(own["coverage"]), interval_cell(own["low"], own["high"]), f"{own['size']:.2f}"]
            for name, own in list(found.per_speaker.items())[:5]
        ]
        parts += [
            f"Prediction sets that are to hold the emotion of {percent(found.target)} % of new speakers' clips held "
            f"{percent(found.coverage)} %, with {found.size:.2f} emotions on average. The least covered speakers:",
            table(["speaker", "covered %", "95 % interval by chance", "emotions in a set"], rows),
        ]
    return [
        *parts,
        "All of this holds for recordings and speakers like those. On other corpora, languages, rooms and microphones "
        "probabilities are far too sure, and confidence may no longer rank answers: calibrate and test on your own.",
    ]


def groups(known: Known) -> list[str]:
    """The UAR of groups of speakers."""
    parts: list[str] = []
    for found in () if known.report is None else known.report.groups:
        rows = [
            [
                name,
                percent(own.uar),
                interval_cell(own.interval.low, own.interval.high) if own.interval else interval_cell(None, None),
                str(own.speakers),
            ]
            for name, own in found.groups.items()
        ]
        ends = found.interval
        span = "" if ends is None else f" (95 % interval over speakers {interval_cell(ends.low, ends.high)})"
        parts += [
            f"By {found.column}, {100 * found.gap:.1f} points apart{span}:",
            table([found.column, "UAR %", "95 % interval", "speakers"], rows),
        ]
    return ["## Groups of speakers", *parts] if parts else []
