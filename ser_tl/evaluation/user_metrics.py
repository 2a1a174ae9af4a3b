"""Your own metrics in every report, in the interface of the `evaluate` library.

    @METRICS.register("kappa")
    class Kappa(evaluate.Metric): ...

    Predictions --measure_registered()--> {"kappa": 0.71}, which report.json has under "metrics"

Whatever has `compute(predictions=..., references=...)` and returns named numbers will do; metrics are made anew for
each report, without arguments, and get class indices in the order of the labels, as evaluate's own metrics do.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from ser_tl.errors import ConfigError
from ser_tl.evaluation.predictions import Predictions
from ser_tl.registry import Registry

METRICS: Registry[Callable[[], Any]] = Registry("metric", "ser_tl.metrics")
"""Metrics by name: each a callable without arguments that returns one."""


def measure_registered(predictions: Predictions) -> dict[str, float | None]:
    """The figures of all registered metrics; None where one is undefined.

    Args:
        predictions: of a model with classes

    Raises:
        ConfigError: a metric returns something else than named numbers, or names a figure that another has
    """
    if not METRICS:
        return {}
    index = {label: number for number, label in enumerate(predictions.labels)}
    given = {
        "predictions": [index[label] for label in predictions.predictions],
        "references": [index[label] for label in predictions.references],
    }
    figures: dict[str, float | None] = {}
    for name, make in METRICS.items():
        result = make().compute(**given)
        if not isinstance(result, Mapping) or not all(isinstance(value, int | float) for value in result.values()):
            raise ConfigError(f"the metric {name} returned {result!r}: expected are named numbers, {{{name!r}: 0.7}}")
        twice = sorted(set(result) & set(figures))
        if twice:
            raise ConfigError(f"the metric {name} names {', '.join(twice)}, as another one does: call it otherwise")
        figures |= {key: float(value) if math.isfinite(value) else None for key, value in result.items()}
    return figures
