"""An exported model gives the calibrated probabilities, sets and outlier scores of the model in torch."""

import json

import numpy as np
import pytest
import torch

from ser_tl.export import export_model
from ser_tl.inference import Predictor
from ser_tl.inference.manifest import read_manifest
from ser_tl.modules.calibration import Calibration
from ser_tl.modules.conformal import PredictionSets
from ser_tl.modules.outliers import OutlierScore
from tests.export.samples import sample_model

pytestmark = pytest.mark.slow


def calibrated(method="temperature", distance=False):
    """The tiny model with a calibration of each kind, sets of thresholds that split its answers, and a score."""
    model = sample_model()
    draw = np.random.default_rng(0)
    rows = draw.dirichlet(np.ones(3), 200)
    sets = PredictionSets.fit(rows, rows.argmax(axis=1), [f"s{row % 20}" for row in range(200)])
    scale, bias = ([2.5], []) if method == "temperature" else ([2.5, 0.5, 1.0], [0.3, -0.2, 0.0])
    known = {"outlier_threshold": 0.1, "distance": 2.0} if distance else {"outlier_threshold": 1.5}
    model.calibration = Calibration(method, scale, bias, "tones", 200, 20, 1.0, 0.8, sets, **known)
    labels = torch.arange(60) % 3
    model.outliers = OutlierScore.fit(torch.randn(60, model.embedding_dim) + labels[:, None], labels, 3)
    return model


@pytest.mark.parametrize(  # each kind with the distance, each method once
    ("kind", "method", "distance"),
    [("onnx", "temperature", False), ("onnx", "vector", True), ("torch-export", "vector", True)],
)
def test_the_graph_gives_what_the_model_gives(tmp_path, method, distance, kind):
    for name in ("onnx", "onnxscript", "onnxruntime") if kind == "onnx" else ():
        pytest.importorskip(name)
    model = calibrated(method, distance)
    export_model(model, tmp_path / "graph", kind)
    clips = [np.random.default_rng(seed).normal(0, 0.1, 9000 + 1111 * seed) for seed in range(4)]
    exported = Predictor(tmp_path / "graph", coverage=0.8)
    plain, ours, graph = (
        one.predict(clips) for one in (Predictor(sample_model()), Predictor(model, coverage=0.8), exported)
    )
    for before, mine, found in zip(plain, ours, graph, strict=True):
        assert found.calibrated
        assert found.prediction_set == mine.prediction_set != ()
        assert found.probabilities == pytest.approx(mine.probabilities, abs=1e-5)
        assert max(abs(before.probabilities[name] - mine.probabilities[name]) for name in mine.probabilities) > 1e-4
        assert found.outlier_score == pytest.approx(mine.outlier_score, rel=1e-3)
        assert (found.unlike_training, found.abstained) == (mine.unlike_training, mine.abstained)
        if method == "temperature":
            assert before.label == mine.label
    if distance:  # softer than by the same factors alone
        near = Predictor(calibrated(method)).predict(clips)
        for far, one in zip(graph, near, strict=True):
            assert max(far.probabilities.values()) < max(one.probabilities.values())
    manifest = read_manifest(tmp_path / "graph")
    assert json.loads(json.dumps(manifest.calibration)) == json.loads(json.dumps(model.calibration.to_json()))
    assert exported.calibration == model.calibration.describe()


def test_a_model_that_never_was_calibrated_is_exported_as_before(exported):
    manifest = read_manifest(exported)
    assert manifest.calibration is None
    assert "outlier" not in manifest.outputs
    (found,) = Predictor(exported).predict(np.random.default_rng(0).normal(0, 0.1, 9000))
    assert (found.calibrated, found.outlier_score, found.unlike_training) == (False, None, False)
