"""How a report's probabilities were calibrated, by its facts."""

from collections.abc import Mapping
from typing import Any

from ser_tl.evaluation.report import Report
from ser_tl.modules.calibration import NEVER, describe_calibration


def find_calibrations(report: Report) -> list[Any]:
    """The fact `calibration` of the training, or of each fold's; empty where none is recorded."""
    folds: Any = report.facts.get("folds")
    each: list[Any] = [report.facts, *(folds.values() if isinstance(folds, Mapping) else ())]
    return [facts["calibration"] for facts in each if isinstance(facts, Mapping) and "calibration" in facts]


def is_calibrated(report: Report) -> bool | None:
    """Whether all trainings calibrated their probabilities; None where it isn't recorded."""
    calibrations = find_calibrations(report)
    states = [describe_calibration(value, len(report.predictions.labels)) for value in calibrations]
    return NEVER not in states if calibrations else None
