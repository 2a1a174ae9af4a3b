"""What a card says of the model's probabilities, of groups of speakers, and of what it is for.

CardContext --purpose(), confidence(), groups()--> Markdown
"""

from ser_tl.card.context import CardContext
from ser_tl.modules.calibration import describe_calibration
from ser_tl.reporting.calibration_text import calibration_state, calibration_table
from ser_tl.reporting.text import interval_cell, percent, table

PICTURE_FILE = "reliability.png"

NOT_STATED = (
    "**Not stated.** Whoever publishes or deploys this model has to say what it is for, and has trained and tested it "
    "for that: `--purpose` of the recipes and of `ser-tl push`."
)


def purpose(context: CardContext) -> list[str]:
    """The intended purpose, which every card has to state."""
    return ["## Intended purpose", context.purpose or NOT_STATED]


def confidence(context: CardContext) -> list[str]:
    """Calibration, prediction sets and abstention."""
    labels = context.config["labels"]
    if not labels:
        return []
    state = describe_calibration(context.config.get("calibration"), len(labels))
    sections = ["## Can its probabilities be acted on?", f"This model: {state}."]
    report = context.report
    if report is None or report.calibration is None or report.selection is None:
        return sections
    sections += [
        f"Measured on the speakers of the score above ({calibration_state(report)}):",
        calibration_table(report),
        f"![Reliability and risk-coverage curve]({PICTURE_FILE})",
        f"The surest 80 % of the clips are {percent(report.selection.accuracy_at_80)} % right, all of them "
        f"{percent(report.selection.accuracy)} %.",
    ]
    if report.sets is not None:
        sets = report.sets
        rows = [
            [name, percent(hits["coverage"]), interval_cell(hits["low"], hits["high"]), f"{hits['size']:.2f}"]
            for name, hits in list(sets.per_speaker.items())[:5]
        ]
        sections += [
            f"Prediction sets that are to hold the emotion of {percent(sets.target)} % of new speakers' clips held "
            f"{percent(sets.coverage)} %, with {sets.size:.2f} emotions on average. The least covered speakers:",
            table(["speaker", "covered %", "95 % interval by chance", "emotions in a set"], rows),
        ]
    return [
        *sections,
        "All of this holds for recordings and speakers like those. On other corpora, languages, rooms and microphones "
        "probabilities are far too sure, and confidence may no longer rank answers: calibrate and test on your own.",
    ]


def groups(context: CardContext) -> list[str]:
    """The UAR of groups of speakers."""
    sections: list[str] = []
    for comparison in () if context.report is None else context.report.groups:
        rows = [
            [
                name,
                percent(scores.uar),
                interval_cell(scores.interval.low, scores.interval.high)
                if scores.interval
                else interval_cell(None, None),
                str(scores.speakers),
            ]
            for name, scores in comparison.groups.items()
        ]
        ends = comparison.interval
        span = "" if ends is None else f" (95 % interval over speakers {interval_cell(ends.low, ends.high)})"
        sections += [
            f"By {comparison.column}, {100 * comparison.gap:.1f} points apart{span}:",
            table([comparison.column, "UAR %", "95 % interval", "speakers"], rows),
        ]
    return ["## Groups of speakers", *sections] if sections else []
