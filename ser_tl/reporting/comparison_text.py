"""The tables of a comparison, cell by cell, and how to read them.

    [ComparisonRow] --row_cells--> header, rows      [PairedTest] --pair_cells--> header, rows
    Comparison --column_legend--> lines, --describe_comparison--> text for the terminal

Columns without a value are left out. It computes nothing.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ser_tl.reporting.text import UNDEFINED, interval_cell, percent

if TYPE_CHECKING:
    from ser_tl.comparison.comparison import Comparison, ComparisonRow
    from ser_tl.comparison.paired_tests import PairedTest

Cells = tuple[list[str], list[list[str]]]
"""A header, and rows under it."""


def row_cells(rows: Sequence["ComparisonRow"]) -> Cells:
    """The table of systems, the best first."""
    columns: dict[str, Callable[[ComparisonRow], str]] = {
        "system": lambda row: row.system,
        "seeds": lambda row: str(row.seeds) if any(other.seeds > 1 for other in rows) else "",
        "UAR": _uar,
        "95 % interval": lambda row: interval_cell(row.low, row.high),
        "WAR": lambda row: percent(row.war),
        "mean of folds": lambda row: percent(row.folds_mean),
        "to the best": lambda row: "best" if row is rows[0] and row.difference is not None else _difference(row),
        "p (McNemar)": lambda row: p_value(row.p),
        "ECE": lambda row: "" if row.ece is None else percent(row.ece),
        "Brier": lambda row: "" if row.brier is None else f"{row.brier:.3f}",
        "log loss": lambda row: "" if row.log_loss is None else f"{row.log_loss:.3f}",
        "surest 80 %": lambda row: "" if row.accuracy_at_80 is None else percent(row.accuracy_at_80),
        "calibrated": lambda row: row.calibrated,
        "trainable": lambda row: count(row.trainable),
        "parameters": lambda row: count(row.parameters),
        "minutes": lambda row: "" if row.minutes is None else _digits(row.minutes),
        "memory MiB": lambda row: "" if row.memory_mib is None else f"{row.memory_mib:.0f}",
        "model MiB": lambda row: "" if row.model_mib is None else f"{row.model_mib:.1f}",
    }
    if all(row.folds_mean == row.uar for row in rows):
        del columns["mean of folds"]
    all_columns = {name: [cell(row) for row in rows] for name, cell in columns.items()}
    filled = {name: cells for name, cells in all_columns.items() if any(cells)}
    return list(filled), [list(cells) for cells in zip(*filled.values(), strict=True)]


def pair_cells(pairs: Sequence["PairedTest"]) -> Cells:
    """The table of pairs."""
    header = ["better", "other", "difference", "95 % interval", "only better right", "only other right", "p", "p, Holm"]
    rows = [
        [
            pair.first,
            pair.second,
            percent(pair.difference),
            interval_cell(pair.low, pair.high),
            UNDEFINED if pair.only_first is None else str(pair.only_first),
            UNDEFINED if pair.only_second is None else str(pair.only_second),
            p_value(pair.p) or UNDEFINED,
            p_value(pair.p_holm) or UNDEFINED,
        ]
        for pair in pairs
    ]
    if all(pair.p is None for pair in pairs):  # several seeds
        return header[:4], [row[:4] for row in rows]
    return header, rows


def column_legend(comparison: "Comparison") -> list[str]:
    """What each column means, one sentence a line."""
    several = any(row.seeds > 1 for row in comparison.rows)
    lines = [
        "UAR is the unweighted average recall, WAR the accuracy, both in percent, on test speakers outside "
        "training unless a note says otherwise.",
        "Intervals are percentiles of 1000 bootstrap draws of the test speakers, with all of their clips; that of a "
        "difference draws the same speakers for both systems. Below about ten speakers they come out too narrow.",
        "The best was chosen on these clips, so differences to it are somewhat too large.",
    ]
    lines += [
        "ECE is the debiased expected calibration error in percent, Brier and log loss score the probabilities "
        "themselves: the lower the better. Surest 80 % is the accuracy of the 80 % of the clips whose likeliest "
        "emotion is most probable. A system that isn't calibrated may rank its answers as well as one that is.",
    ]
    if several:
        lines += [
            "With several seeds UAR is the mean, ± the sample deviation; the interval is that of the mean, all seeds "
            "resampled at once. McNemar's test isn't given then: a clip would count several times.",
        ]
    if any(pair.p is not None for pair in comparison.pairs):
        lines += [
            "p is McNemar's exact test over clips that one system alone gets right. It assumes that clips are "
            "independent, which those of one speaker aren't: where it and the interval disagree, trust the more "
            "cautious one. "
            f"Holm's correction is over the {len(comparison.pairs)} pairs.",
        ]
    lines += [
        "Trainable parameters are those that the strategy trains, of all parameters of the model. Minutes are of "
        "training steps alone, without encoding for the feature cache, dev scores and the test. Memory is the "
        "process' peak so far: of systems trained one after the other in one process, each includes the largest "
        "before it.",
    ]
    return lines


def describe_comparison(comparison: "Comparison") -> str:
    """The table of systems and the notes, to be printed."""
    header, rows = row_cells(comparison.rows)
    every = [header, *rows]
    widths = [max(len(row[column]) for row in every) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in every]
    notes = [f"note: {note}" for note in comparison.notes]
    return "\n".join([*([comparison.title] if comparison.title else []), *(line.rstrip() for line in lines), *notes])


def count(number: int | None) -> str:
    """A number of parameters."""
    if number is None:
        return ""
    return f"{number / 1e6:.2f} M" if number >= 1e5 else f"{number / 1e3:.1f} k"


def p_value(p: float | None) -> str:
    """A p value, at least to the thousandth."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _uar(row: "ComparisonRow") -> str:
    return percent(row.uar) + ("" if row.deviation is None else f" \N{PLUS-MINUS SIGN} {percent(row.deviation)}")


def _difference(row: "ComparisonRow") -> str:
    if row.difference is None:
        return ""
    return f"{percent(row.difference)} ({interval_cell(row.difference_low, row.difference_high)})"


def _digits(minutes: float) -> str:
    return f"{minutes:.1f}" if minutes >= 1 else f"{minutes:.2f}"
