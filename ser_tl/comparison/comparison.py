"""Several systems on the same test sets, side by side.

    {system: Report, or one a seed} --Comparison.of--> rows, best first, and pairs

Each row is a system; `difference` is its UAR minus the best one's, with an interval resampled by speaker over both at
once: two systems whose own intervals overlap may still differ clearly, since the same speakers are hard for both.
Systems with a report for each of several seeds have the mean UAR over them. It runs no model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from ser_tl.comparison.paired_tests import Clips, PairedTest, compare_pairs, count_by_speaker, list_tested, mean_uar
from ser_tl.comparison.runs import Cost
from ser_tl.errors import ConfigError, listing
from ser_tl.evaluation.bootstrap import speaker_interval
from ser_tl.evaluation.calibration_facts import is_calibrated
from ser_tl.evaluation.report import Report


@dataclass(frozen=True)
class ComparisonRow:
    """One system. Of several seeds, figures are means over them, unless said otherwise.

    Args:
        system: its name
        seeds: how many runs it has
        uar: over all utterances, a fraction
        deviation: sample deviation (n - 1) of the seeds' UAR; None with one
        low: of the UAR's interval; None with one speaker only
        high: likewise
        war: accuracy, a fraction
        folds_mean: mean UAR of the folds; the UAR where there are none
        trainable: trainable parameters
        parameters: of the whole model
        minutes: spent in training steps, over all folds
        memory_mib: peak memory of the process, the largest of folds and seeds
        model_mib: the model's folder on disk
        difference: UAR minus the best system's; None where not all were tested on the same clips
        difference_low: of the difference's interval; None with one speaker only
        difference_high: likewise
        p: McNemar's, against the best; None with several seeds
        ece: expected calibration error, debiased, a fraction
        brier: Brier score, 0 to 2
        log_loss: in nats
        accuracy_at_80: accuracy of the surest 80 %
        calibrated: `yes`, `no`, or empty where the reports don't tell
    """

    system: str
    seeds: int
    uar: float
    deviation: float | None
    low: float | None
    high: float | None
    war: float
    folds_mean: float
    trainable: int | None
    parameters: int | None
    minutes: float | None
    memory_mib: float | None
    model_mib: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    p: float | None
    ece: float | None = None
    brier: float | None = None
    log_loss: float | None = None
    accuracy_at_80: float | None = None
    calibrated: str = ""


@dataclass(frozen=True)
class Comparison:
    """Systems, the best first.

    Args:
        rows: one for each system
        title: what they are compared on
        pairs: all pairs that were tested on the same clips
        notes: what a reader of the table must know
        reports: of each system, one a seed, in the order of the rows
    """

    rows: list[ComparisonRow]
    title: str = ""
    pairs: list[PairedTest] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    reports: Mapping[str, Sequence[Report]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        reports: Mapping[str, Report | Sequence[Report]],
        *,
        title: str = "",
        mixed: bool = False,
        notes: Sequence[str] = (),
    ) -> "Comparison":
        """The comparison of some systems' reports.

        Args:
            reports: of each system, or one for each of its seeds, the seeds in the same order everywhere
            title: what they are compared on
            mixed: accept systems that were tested on different clips: they stand in one table with a note, and only
                pairs on the same clips are tested
            notes: what a reader has to know besides, systems that couldn't be trained for example

        Raises:
            ConfigError: no reports, or, unless `mixed`, reports on different utterances
        """
        reports_of = {
            name: [system_reports] if isinstance(system_reports, Report) else list(system_reports)
            for name, system_reports in reports.items()
        }
        if not reports_of or not all(reports_of.values()):
            raise ConfigError("there is nothing to compare: give the report of at least one system")
        reports_of = dict(sorted(reports_of.items(), key=lambda item: -mean_uar(item[1])))
        tested = {
            name: [list_tested(report) for report in system_reports] for name, system_reports in reports_of.items()
        }
        best = next(iter(reports_of))
        same = all(clips == tested[best] for clips in tested.values())
        all_notes = [*notes, *_notes(reports_of)]
        if not same:
            others = listing(_apart(tested, best))
            if not mixed:
                raise ConfigError(
                    f"systems that were tested on different utterances can't be compared: run them on the same corpus, "
                    f"with the same protocol, emotions and seed\n{others}"
                )
            all_notes.insert(
                0,
                f"Not all systems were tested on the same clips, so their order means little: no differences to the "
                f"best are given, and tests only for pairs on the same clips.\n{others}",
            )
        pairs = compare_pairs(reports_of, tested)
        to_best = {pair.second: pair for pair in pairs if same and pair.first == best}
        rows = [_row(name, system_reports, to_best.get(name), same) for name, system_reports in reports_of.items()]
        return cls(rows, title, pairs, all_notes, reports_of)

    def __str__(self) -> str:
        from ser_tl.reporting import describe_comparison

        return describe_comparison(self)

    def save(self, folder: str | Path) -> None:
        """Has `ser_tl.reporting` write comparison.md, .csv, .png and .html into the folder, over older ones."""
        from ser_tl.reporting import write_comparison

        write_comparison(self, folder)


def _apart(tested: Mapping[str, Sequence[Clips]], best: str) -> list[str]:
    """One line for each system that was not tested as the best was."""
    lines = []
    for name, clips in tested.items():
        if clips == tested[best]:
            continue
        if len(clips) != len(tested[best]):
            lines.append(f"{name}: {len(clips)} seeds, the best system has {len(tested[best])}")
            continue
        missing = sum(len(wanted - clip_ids) for clip_ids, wanted in zip(clips, tested[best], strict=True))
        lines.append(f"{name}: {sum(map(len, clips))} utterances, {missing} of the best system's not among them")
    return lines


def _notes(each: Mapping[str, Sequence[Report]]) -> list[str]:
    """The reports' cautions and notes, each once, with the systems that have it where not all have."""
    homes: dict[str, list[str]] = {}
    for name, reports in each.items():
        for note in dict.fromkeys(note for report in reports for note in (*report.cautions, *report.notes)):
            homes.setdefault(note, []).append(name)
    return [note if len(names) == len(each) else f"{', '.join(names)}: {note}" for note, names in homes.items()]


def _row(name: str, reports: Sequence[Report], to_best: PairedTest | None, same: bool) -> ComparisonRow:
    interval = reports[0].interval if len(reports) == 1 else speaker_interval(count_by_speaker([reports])[0])
    costs = [Cost.of(report) for report in reports]
    minutes = [cost.minutes for cost in costs if cost.minutes is not None]
    return ComparisonRow(
        system=name,
        seeds=len(reports),
        uar=mean_uar(reports),
        deviation=stdev(report.uar for report in reports) if len(reports) > 1 else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        war=fmean(report.war for report in reports),
        folds_mean=fmean(report.folds_mean.get("uar", {}).get("mean") or report.uar for report in reports),
        trainable=costs[0].trainable,
        parameters=costs[0].parameters,
        minutes=fmean(minutes) if minutes else None,
        memory_mib=max((cost.memory_mib for cost in costs if cost.memory_mib is not None), default=None),
        model_mib=max((cost.model_mib for cost in costs if cost.model_mib is not None), default=None),
        difference=-to_best.difference if to_best else (0.0 if same else None),
        difference_low=-to_best.high if to_best and to_best.high is not None else None,
        difference_high=-to_best.low if to_best and to_best.low is not None else None,
        p=to_best.p if to_best else None,
        **_trust(reports),
    )


def _trust(reports: Sequence[Report]) -> dict[str, Any]:
    """Figures of calibration and abstention, means over the seeds."""
    measured = [report.calibration for report in reports if report.calibration is not None]
    selected = [report.selection for report in reports if report.selection is not None]
    if not measured or not selected:
        return {}
    calibrated = [state for state in map(is_calibrated, reports) if state is not None]
    return {
        "ece": fmean(scores.ece for scores in measured),
        "brier": fmean(scores.brier for scores in measured),
        "log_loss": fmean(scores.log_loss for scores in measured),
        "accuracy_at_80": fmean(scores.accuracy_at_80 for scores in selected),
        "calibrated": "" if not calibrated else "yes" if all(calibrated) else "no",
    }
