"""Metrics of one's own, as the evaluate library has them, in reports."""

import json

import datasets
import evaluate
import pytest
from sklearn.metrics import cohen_kappa_score

from ser_tl.errors import ConfigError
from ser_tl.evaluation import Report
from ser_tl.evaluation.user_metrics import METRICS
from tests.evaluation.samples import sample

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_pictures")]


class Kappa(evaluate.Metric):
    """Cohen's kappa."""

    def _info(self):
        whole = datasets.Value("int64")
        features = datasets.Features({"predictions": whole, "references": whole})
        return evaluate.MetricInfo(description="kappa", citation="", inputs_description="", features=features)

    def _compute(self, *, predictions, references):
        return {"kappa": float(cohen_kappa_score(references, predictions))}


@pytest.fixture
def metrics(monkeypatch):
    for name in ("_entries", "_order", "_homes"):
        monkeypatch.setattr(METRICS, name, {})
    return METRICS


def test_a_registered_metric_is_in_every_report(metrics, tmp_path):
    metrics.register("kappa")(Kappa)
    report = Report.of(sample())
    expected = cohen_kappa_score(report.predictions.references, report.predictions.predictions)
    assert report.metrics == {"kappa": pytest.approx(expected)}
    assert f"kappa {expected:.3f}" in str(report)
    pooled = Report.over_folds({name: Report.of(sample(prefix=name)) for name in ("a", "b")})
    assert pooled.metrics == {"kappa": pytest.approx(expected)}  # of the pooled utterances, twice the same
    report.save(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["metrics"]["kappa"] == pytest.approx(expected)
    assert f"kappa {expected:.3f}" in (tmp_path / "report.md").read_text()
    metrics._entries.clear()
    metrics._order.clear()
    assert Report.load(tmp_path).metrics == {"kappa": pytest.approx(expected)}  # where it isn't registered


@pytest.mark.parametrize("found", [0.5, {"kappa": "high"}])
def test_a_metric_that_returns_no_named_numbers_is_named(metrics, found):
    metrics.register("odd")(lambda: type("Odd", (), {"compute": lambda self, **given: found})())
    with pytest.raises(ConfigError, match="the metric odd returned"):
        Report.of(sample())


def test_an_undefined_figure_is_null(metrics):
    metrics.register("undefined")(
        lambda: type("M", (), {"compute": lambda self, **given: {"undefined": float("nan")}})()
    )
    assert Report.of(sample()).as_json()["metrics"] == {"undefined": None}
