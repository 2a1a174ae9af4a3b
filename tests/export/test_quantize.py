"""INT8: which nodes become integers, what is judged, and which way is taken."""

import numpy as np
import pytest

from ser_tl.corpora import load_corpus
from ser_tl.errors import ConfigError, ExportError
from ser_tl.export import export_model
from ser_tl.export.agreement import Verdict
from ser_tl.inference import Predictor
from tests.encoders.tiny import clip
from tests.export.samples import SAMPLE_LAYERS, sample_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus():
    return load_corpus("emodb-mini").select(range(0, 535, 9))


@pytest.fixture
def quantize(recorded):
    from ser_tl.export import quantize

    return quantize


def choose(quantize, monkeypatch, *ways):
    monkeypatch.setattr(quantize, "WAYS", {way: quantize.WAYS[way] for way in ways})
    monkeypatch.setattr("ser_tl.export.agreement.LEAST_AGREEMENT", 0.0)


def operations(folder):
    import onnx

    return [node.op_type for node in onnx.load(str(folder / "model.onnx")).graph.node]


def test_a_weight_is_known_whatever_its_rows_are_scaled_by(quantize):
    weight = np.random.default_rng(0).standard_normal((6, 40)).astype(np.float32)
    scales = np.array([0.1, 3.0, -2.0, 1.0, -0.5, 9.0])[:, None]
    assert quantize.signature(weight) == quantize.signature(scales * weight)
    assert quantize.signature(weight) == quantize.signature(weight.reshape(6, 8, 5)[..., None].reshape(6, 8, 5))
    columns = np.random.default_rng(1).standard_normal(40)
    assert quantize.signature(weight) == quantize.signature(scales * weight * columns)  # a norm before the layer
    assert quantize.signature(weight) != quantize.signature(np.abs(weight))
    assert quantize.signature(weight) != quantize.signature(weight[:, ::-1])


def test_nodes_are_chosen_by_their_trained_weight(quantize, exported, tmp_path):
    from ser_tl.export.graph import Graph

    model = sample_model()
    proto = quantize._load(quantize.preprocess(exported / "model.onnx", tmp_path))
    chosen = {node.name for node, _ in quantize.trained_nodes(proto, quantize.trained_weights(Graph(model)))}
    weights = {tensor.name: tuple(tensor.dims) for tensor in proto.graph.initializer}
    left = {
        weights[node.input[1]]
        for node in proto.graph.node
        if node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in weights and node.name not in chosen
    }
    assert len(chosen) == 2 + 6 * SAMPLE_LAYERS + 2  # front end's convolutions, layers, frame scores; not the heads
    mel = [shape for shape in left if 201 in shape or 80 in shape]
    assert mel, f"the mel filters are a constant of the graph, and none of {left}"


def test_static_is_tried_first_and_what_was_measured_is_kept(quantize, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("ser_tl.export.agreement.LEAST_AGREEMENT", 0.0)  # a random model's answers hang on a hair
    manifest = export_model(sample_model(), tmp_path / "out", quantize="int8", calibrate=corpus)
    found = manifest.quantization
    assert (found["way"], found["rejected"]) == ("static", [])
    assert (found["corpus"], found["calibration_clips"], found["chosen"]["clips"]) == ("emodb", 20, 40)
    assert found["chosen"]["agreement"] > 0.5
    assert found["chosen"]["uar_before"] is None  # the corpus has emotions that the model doesn't know
    assert found["summary"] in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.exhaustive
def test_the_next_way_is_taken_where_answers_dont_agree(quantize, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(Verdict, "acceptable", property(lambda verdict: verdict.way == "dynamic"))
    found = export_model(sample_model(), tmp_path / "out", quantize="int8", calibrate=corpus).quantization
    assert found["way"] == "dynamic"
    assert [verdict["way"] for verdict in found["rejected"]] == ["static"]
    assert "Not good enough: static: " in found["summary"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("way", ["static", "dynamic", "storage"])
def test_every_way_computes_nearly_what_the_model_does(quantize, corpus, exported, tmp_path, monkeypatch, way):
    choose(quantize, monkeypatch, way)
    monkeypatch.setattr(quantize, "FEWEST", 64)  # a tiny model's weights are all too small to be worth storing
    monkeypatch.setattr("ser_tl.export.graph.FEWEST", 64)
    manifest = export_model(sample_model(), tmp_path / "out", quantize="int8", calibrate=corpus)
    assert (manifest.weights, manifest.quantization["way"]) == ("int8", way)
    assert manifest.batching == ("alone" if way == "dynamic" else "any")
    assert manifest.quantization["chosen"]["mean_difference"] < 0.05
    expected = {"static": "QuantizeLinear", "dynamic": "MatMulInteger", "storage": "DequantizeLinear"}[way]
    assert expected in operations(tmp_path / "out")
    content = (tmp_path / "out" / "model.onnx").read_bytes()
    assert b".py" not in content
    predictor = Predictor(tmp_path / "out", batch_seconds=5.0)
    clips = [clip(3000 + 2500 * seed, seed=seed).numpy() for seed in range(6)]
    together = predictor.predict(clips)
    for one, found in zip(clips, together, strict=True):
        alone = list(predictor.predict(one)[0].probabilities.values())
        # Float sums that differ in their last digit may fall on two sides of a rounding.
        tolerance = 0.02 if way == "static" else 1e-5
        assert list(found.probabilities.values()) == pytest.approx(alone, abs=tolerance)


@pytest.mark.exhaustive
def test_where_no_way_is_good_enough_each_is_named_and_no_file_is_left(quantize, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("ser_tl.export.agreement.LEAST_AGREEMENT", 1.1)
    with pytest.raises(ExportError, match=r"no file is left.*float16[\s\S]*static: [\s\S]*dynamic: [\s\S]*storage: "):
        export_model(sample_model(), tmp_path / "out", quantize="int8", calibrate=corpus)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_without_a_trained_layer_is_refused(quantize, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(quantize, "trained_weights", lambda graph: set())
    with pytest.raises(ExportError, match="no trained linear or convolutional layer"):
        export_model(sample_model(), tmp_path / "out", quantize="int8", calibrate=corpus)


def test_too_few_clips_are_refused(quantize, corpus, tmp_path):
    with pytest.raises(ConfigError, match="12 clips to calibrate on: at least 20"):
        export_model(sample_model(), tmp_path / "out", quantize="int8", calibrate=corpus.select(range(12)))
    assert list(tmp_path.iterdir()) == []


def test_a_verdict_weighs_answers_and_score():
    def verdict(agreement=1.0, before=0.8, after=0.8, concordance=None):
        return Verdict("static", 100, agreement, before, after, concordance, 0.01, 0.1, 1000)

    assert verdict().acceptable
    assert verdict(0.97, 0.8, 0.79).acceptable
    assert not verdict(0.96).acceptable
    assert not verdict(0.99, 0.8, 0.785).acceptable
    assert verdict(0.99, None, None, 0.98).acceptable
    assert not verdict(None, None, None, 0.9).acceptable
    assert "UAR 80.0 -> 79.0" in str(verdict(0.97, 0.8, 0.79))
