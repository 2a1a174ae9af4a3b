"""Several systems on the same test sets, side by side.

    {system: Report} --Comparison.of--> rows, best first --save--> comparison.md, comparison.csv, comparison.png

Each row is a system; `difference` is its UAR minus the best one's, with an interval resampled by speaker over both at
once: two systems whose own intervals overlap may still differ clearly, since the same speakers are hard for both.
It runs no model.
"""

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ser_tl.errors import ConfigError, listing
from ser_tl.evaluation.bootstrap import Interval, paired_interval
from ser_tl.evaluation.plots import comparison_picture
from ser_tl.evaluation.predictions import Predictions
from ser_tl.evaluation.report import Report
from ser_tl.evaluation.scores import confusion_by_group
from ser_tl.evaluation.text import interval_cell, percent, table


@dataclass(frozen=True)
class Row:
    """One system.

    Args:
        system: its name
        uar: over all utterances, a fraction
        low: of the UAR's interval; None with one speaker only
        high: likewise
        war: accuracy, a fraction
        folds_mean: mean UAR of the folds; the UAR where there are none
        trainable: parameters that moved
        parameters: of the whole model
        minutes: spent in training, over all folds
        difference: UAR minus the best system's
        difference_low: of the difference's interval; None with one speaker only
        difference_high: likewise
    """

    system: str
    uar: float
    low: float | None
    high: float | None
    war: float
    folds_mean: float
    trainable: int | None
    parameters: int | None
    minutes: float | None
    difference: float
    difference_low: float | None
    difference_high: float | None


@dataclass(frozen=True)
class Comparison:
    """Systems on the same utterances, the best first.

    Args:
        rows: one for each system
        title: what they are compared on
    """

    rows: list[Row]
    title: str = ""

    @classmethod
    def of(cls, reports: Mapping[str, Report], *, title: str = "") -> "Comparison":
        """The comparison of some systems' reports.

        Raises:
            ConfigError: no reports, or reports on different utterances
        """
        if not reports:
            raise ConfigError("there is nothing to compare: give the report of at least one system")
        ordered = sorted(reports, key=lambda name: -reports[name].uar)
        best = reports[ordered[0]]
        _check_same(best.predictions, {name: report.predictions for name, report in reports.items()})
        return cls([_row(name, reports[name], best) for name in ordered], title)

    def __str__(self) -> str:
        header, rows = self._cells()
        every = [header, *rows]
        widths = [max(len(row[column]) for row in every) for column in range(len(header))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in every]
        return "\n".join([*([self.title] if self.title else []), *(line.rstrip() for line in lines)])

    def save(self, folder: str | Path) -> None:
        """Writes comparison.md, comparison.csv and comparison.png, over older ones."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        text = f"# {self.title or 'Comparison'}\n\n{table(*self._cells())}\n"
        (folder / "comparison.md").write_text(text, encoding="utf-8")
        with (folder / "comparison.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [field.name for field in fields(Row)])
            writer.writeheader()
            writer.writerows(asdict(row) for row in self.rows)
        comparison_picture(self, folder / "comparison.png")

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        header = ["system", "UAR", "95 % interval", "WAR", "mean of folds", "to the best", "moving", "all", "minutes"]
        rows = [
            [
                row.system,
                percent(row.uar),
                interval_cell(row.low, row.high),
                percent(row.war),
                percent(row.folds_mean),
                _difference(row) if number else "best",
                _millions(row.trainable),
                _millions(row.parameters),
                "" if row.minutes is None else f"{row.minutes:.1f}",
            ]
            for number, row in enumerate(self.rows)
        ]
        return header, rows


def _row(name: str, report: Report, best: Report) -> Row:
    interval = report.interval
    paired = None if report is best else _paired(report, best)
    mean = report.folds_mean.get("uar", {}).get("mean")
    facts = report.facts
    folds = facts.get("folds")
    each = list(folds.values()) if isinstance(folds, Mapping) else [facts]
    seconds = [own.get("training_seconds") for own in each if isinstance(own, Mapping)]
    times = [value for value in seconds if isinstance(value, int | float)]
    trainable, parameters = facts.get("trainable_parameters"), facts.get("parameters")
    return Row(
        system=name,
        uar=report.uar,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        war=report.war,
        folds_mean=report.uar if mean is None else mean,
        trainable=trainable if isinstance(trainable, int) else None,
        parameters=parameters if isinstance(parameters, int) else None,
        minutes=sum(times) / 60 if times else None,
        difference=report.uar - best.uar,
        difference_low=paired.low if paired else None,
        difference_high=paired.high if paired else None,
    )


def _difference(row: Row) -> str:
    return f"{percent(row.difference)} ({interval_cell(row.difference_low, row.difference_high)})"


def _paired(report: Report, best: Report) -> Interval | None:
    """The interval of a UAR minus the best one's, over speakers drawn for both at once."""
    counts = [
        confusion_by_group(said.speakers, said.references, said.predictions, said.labels)[1]
        for said in (report.predictions, best.predictions)
    ]
    return paired_interval(*counts)


def _check_same(expected: Predictions, each: Mapping[str, Predictions]) -> None:
    """Refuses predictions on other utterances than those expected, or with other references."""
    tested = set(zip(expected.ids, expected.references, strict=True))
    other = []
    for name, found in each.items():
        rows = set(zip(found.ids, found.references, strict=True))
        if rows != tested:
            other.append(f"{name}: {len(rows)} utterances, {len(tested - rows)} of the best system's not among them")
    if other:
        raise ConfigError(
            f"systems that were tested on different utterances can't be compared: run them on the same corpus, with "
            f"the same protocol, emotions and seed\n{listing(other)}"
        )


def _millions(count: int | None) -> str:
    if count is None:
        return ""
    return f"{count / 1e6:.2f} M" if count >= 1e5 else f"{count / 1e3:.1f} k"
