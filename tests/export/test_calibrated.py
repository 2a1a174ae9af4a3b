"""An exported model gives the calibrated probabilities, sets and outlier scores of the model in torch."""

import json

import numpy as np
import pytest

from ser_tl.export import export_model
from ser_tl.inference import Predictor
from ser_tl.inference.manifest import read_manifest
from tests.export.samples import calibrated_model, gated_model

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(  # each kind with the distance, each method once
    ("kind", "method", "distance"),
    [
        pytest.param("onnx", "vector", True, marks=pytest.mark.exhaustive),
        ("torchscript", "temperature", False),
        pytest.param("onnx", "temperature", False, marks=pytest.mark.exhaustive),
        pytest.param("torch-export", "vector", True, marks=pytest.mark.exhaustive),
    ],
)
def test_the_graph_gives_what_the_model_gives(request, tmp_path, method, distance, kind):
    model = calibrated_model(method, distance=distance)
    if (kind, method) == ("onnx", "vector"):
        folder = request.getfixturevalue("calibrated_export")
    else:
        folder = tmp_path / "graph"
        export_model(model, folder, kind)
    clips = [np.random.default_rng(seed).normal(0, 0.1, 9000 + 1111 * seed) for seed in range(4)]
    exported = Predictor(folder, coverage=0.8)
    plain, ours, graph = (
        one.predict(clips) for one in (Predictor(gated_model()), Predictor(model, coverage=0.8), exported)
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
        near = Predictor(calibrated_model(method, distance=False)).predict(clips)
        for far, one in zip(graph, near, strict=True):
            assert max(far.probabilities.values()) < max(one.probabilities.values())
    manifest = read_manifest(folder)
    assert json.loads(json.dumps(manifest.calibration)) == json.loads(json.dumps(model.calibration.to_json()))
    assert exported.calibration == model.calibration.describe()


def test_a_model_that_never_was_calibrated_is_exported_as_before(exported):
    manifest = read_manifest(exported)
    assert manifest.calibration is None
    assert "outlier" not in manifest.outputs
    (found,) = Predictor(exported).predict(np.random.default_rng(0).normal(0, 0.1, 9000))
    assert (found.calibrated, found.outlier_score, found.unlike_training) == (False, None, False)
