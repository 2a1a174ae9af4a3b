"""report.json, to and from a `Report`.

Its keys, fractions between 0 and 1 (correlations -1 and 1) and null where a figure is undefined (the recall of a
class without test examples), never NaN:

    title                                 what was evaluated
    uar, war, macro_f1, weighted_f1       over all utterances; what each averages over: see `scores`
    interval                              {level, low, high, over, resamples} of the UAR, null with one speaker only
    labels, confusion                     the classes, and counts: a row a reference, a column a prediction
    per_class                             {class: {recall, precision, f1, support}}
    dimensions                            {name: {ccc, pearson, ccc_interval, pearson_interval, support}}, {} without
    per_speaker                           {speaker: {uar, war, support}}
    calibration                           {ece, interval, confidence, accuracy, brier, miscalibration, discrimination,
                                          uncertainty, log_loss, bins, per_speaker}, see `calibration`; null without
    selection                             {aurc, excess, accuracy, accuracy_at_80, curve}, see `selective`
    sets                                  {target, coverage, interval, size, single, single_accuracy, per_class,
                                          per_speaker}; null without prediction sets
    groups                                [{column, groups, gap, interval, unknown}], see `groups`; [] where none known
    metrics                               {figure: value} of registered metrics, {} without
    folds                                 {fold: {uar, war, macro_f1, weighted_f1, support}}, {} without folds
    folds_mean                            {figure: {mean, std}} over the folds, n - 1 under the deviation; {} without
    support, speakers                     how many utterances, how many speakers
    cautions                              what the test set is too small for: classes of few clips, few speakers
    notes, facts                          what the reader must know; encoder, strategy, seed, seconds and the like

A model of dimensions alone has no classes: uar to weighted_f1 aren't there, labels and confusion are empty, and
per_speaker has the support only.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ser_tl.errors import ConfigError
from ser_tl.evaluation.fold_pooling import JSON, FoldScores
from ser_tl.evaluation.scores import Scores

if TYPE_CHECKING:
    from ser_tl.evaluation.report import Report


class ReportContent(NamedTuple):
    """What report.json stores beside the predictions.

    Attributes:
        arguments: of `Report.of`, beside the predictions
        confusion: counts, which the predictions have to give again
        metrics: figures of metrics that may not be registered now
    """

    arguments: dict[str, Any]
    confusion: list[list[int]]
    metrics: dict[str, float | None]


def convert_report(report: "Report") -> dict[str, JSON]:
    """The content of report.json; the module lists the keys."""
    return {
        "title": report.title,
        **(asdict(report.scores) if report.scores else {}),
        "interval": asdict(report.interval) if report.interval else None,
        "labels": report.predictions.labels,
        "confusion": report.confusion.tolist(),
        "per_class": report.per_class,
        "dimensions": {name: asdict(scores) for name, scores in report.dimensions.items()},
        "per_speaker": report.per_speaker,
        "calibration": asdict(report.calibration) if report.calibration else None,
        "selection": asdict(report.selection) if report.selection else None,
        "sets": asdict(report.sets) if report.sets else None,
        "groups": [asdict(group) for group in report.groups],
        "metrics": report.metrics,
        "folds": {
            name: (asdict(fold.scores) if fold.scores else {}) | {"support": fold.support}
            for name, fold in report.folds.items()
        },
        "folds_mean": report.folds_mean,
        "support": len(report.predictions),
        "speakers": len(report.per_speaker),
        "cautions": report.cautions,
        "notes": report.notes,
        "facts": report.facts,
    }


def read_report_json(folder: Path) -> ReportContent:
    """The content of a folder's report.json; damaged ones raise whatever reading them does."""
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    folds = {name: _read_fold(fold) for name, fold in content["folds"].items()}
    arguments = {name: content[name] for name in ("title", "notes", "facts")}
    return ReportContent(arguments | {"folds": folds}, content["confusion"], content.get("metrics", {}))


def copy_as_json(facts: Mapping[str, JSON]) -> dict[str, JSON]:
    """A copy of the facts in JSON's types."""
    try:
        return json.loads(json.dumps(facts, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"a fact can't be written as JSON ({error}): give text, finite numbers, true, false, None, and lists and "
            f"mappings of them"
        ) from error


def _read_fold(figures: Mapping[str, float]) -> FoldScores:
    scores = {figure: value for figure, value in figures.items() if figure != "support"}
    return FoldScores(Scores(**scores) if scores else None, int(figures["support"]))
