"""OpenVINO's format: the model's answers in float, nearly in half precision, and in int8 of the trained layers alone.

Needs openvino and, for int8, nncf: pip install 'ser_tl[openvino]'.
"""

import shutil
import sys

import pytest

from ser_tl.corpora import load_corpus
from ser_tl.errors import CheckpointError, ConfigError, ExportError
from ser_tl.export import EXPORTERS, export_model
from ser_tl.inference import Predictor
from ser_tl.inference.manifest import read_manifest
from tests.encoders.tiny import clip
from tests.export.samples import SAMPLE_LAYERS, sample_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def openvino():
    for name in ("onnx", "onnxscript", "openvino"):
        pytest.importorskip(name, reason="needs the extra: pip install 'ser_tl[openvino]'")
    return sys.modules["openvino"]


@pytest.fixture
def recorded_onnx(exported, monkeypatch):
    """The ONNX graph of the sample model, recorded before: what is tested here comes after it."""

    def copy(self, graph, path):
        shutil.copyfile(exported / "model.onnx", path)

    monkeypatch.setattr("ser_tl.export.onnx.Onnx.write", copy)


@pytest.fixture
def corpus():
    return load_corpus("emodb-mini").select(range(0, 535, 9))


def test_the_folder_predicts_as_the_model_does(openvino, recorded_onnx, tmp_path):
    manifest = export_model(sample_model(), tmp_path / "out", "openvino")
    assert set(manifest.files) == {"model.xml", "model.bin"}
    assert max(row["probabilities"] for row in manifest.parity) < 1e-4
    assert "openvino" in manifest.versions
    clips = [clip(700 + 9000 * seed, seed=seed).numpy() for seed in range(6)]
    for found, expected in zip(Predictor(tmp_path / "out").predict(clips), sample_model().predict(clips), strict=True):
        assert list(found.probabilities.values()) == pytest.approx(list(expected.probabilities.values()), abs=1e-4)
        assert found.dimensions == pytest.approx(expected.dimensions, rel=1e-3, abs=1e-3)
    text = (tmp_path / "out" / "model.xml").read_text()
    assert str(tmp_path) not in text
    assert ".onnx" not in text
    assert ".py" not in text


def test_half_precision_halves_the_weights(openvino, recorded_onnx, tmp_path):
    sizes = {}
    for weights in ("float32", "float16"):
        manifest = export_model(sample_model(), tmp_path / weights, "openvino", weights=weights)
        assert manifest.weights == weights
        sizes[weights] = (tmp_path / weights / "model.bin").stat().st_size
    assert sizes["float16"] < 0.6 * sizes["float32"]


def test_trained_layers_become_integers_and_mel_filters_do_not(
    openvino, recorded_onnx, exported, corpus, tmp_path, monkeypatch
):
    pytest.importorskip("nncf", reason="needs the extra: pip install 'ser_tl[openvino]'")
    from ser_tl.export.graph import Graph, trained_weights
    from ser_tl.export.openvino import trained_nodes

    graph = openvino.Core().read_model(str(exported / "model.onnx"))
    chosen = list(trained_nodes(graph, trained_weights(Graph(sample_model()))))
    assert len(chosen) == 2 + 6 * SAMPLE_LAYERS + 2  # as of the ONNX graph; not the heads
    monkeypatch.setattr("ser_tl.export.agreement.LEAST_AGREEMENT", 0.0)  # a random model's answers hang on a hair
    manifest = export_model(sample_model(), tmp_path / "out", "openvino", quantize="int8", calibrate=corpus)
    assert (manifest.weights, manifest.quantization["way"]) == ("int8", "static")
    assert manifest.quantization["chosen"]["mean_difference"] < 0.05
    quantized = openvino.Core().read_model(str(tmp_path / "out" / "model.xml"))
    types = {node.get_friendly_name(): node.get_type_name() for node in quantized.get_ordered_ops()}
    assert "FakeQuantize" in types.values()
    for name in chosen:
        (node,) = [node for node in quantized.get_ordered_ops() if node.get_friendly_name() == name]
        assert node.input_value(0).get_node().get_type_name() == "FakeQuantize"
    for node in quantized.get_ordered_ops():
        if node.get_type_name() in ("MatMul", "Convolution") and node.get_friendly_name() not in chosen:
            assert "FakeQuantize" not in {value.get_node().get_type_name() for value in node.input_values()}
    assert Predictor(tmp_path / "out").predict(clip(9000).numpy())[0].label in manifest.labels


def test_answers_that_do_not_agree_are_an_error_and_no_file(openvino, recorded_onnx, corpus, tmp_path, monkeypatch):
    pytest.importorskip("nncf", reason="needs the extra: pip install 'ser_tl[openvino]'")
    monkeypatch.setattr("ser_tl.export.agreement.LEAST_AGREEMENT", 1.1)
    with pytest.raises(ExportError, match=r"no file is left.*float16[\s\S]*static: "):
        export_model(sample_model(), tmp_path / "out", "openvino", quantize="int8", calibrate=corpus)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["model.xml", "model.bin"])
def test_a_changed_or_missing_file_of_the_graph_is_refused(openvino, recorded_onnx, tmp_path, name):
    export_model(sample_model(), tmp_path / "out", "openvino")
    file = tmp_path / "out" / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{name}: damaged or changed, its sha256"):
        Predictor(tmp_path / "out")
    file.unlink()
    with pytest.raises(CheckpointError, match=rf"{name}: missing \(found: "):
        Predictor(tmp_path / "out")


def test_a_missing_library_is_named_with_the_way_out(exported, tmp_path, monkeypatch):
    from tests.export.samples import with_manifest

    folder = with_manifest(exported, tmp_path / "copy", runtime="openvino")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigError, match="pip install openvino"):
        Predictor(folder)
    monkeypatch.setattr("ser_tl.export.exporting.find_spec", lambda name: None if name == "openvino" else True)
    with pytest.raises(ConfigError, match=r"openvino needs openvino, not installed here: pip install 'ser_tl\[openv"):
        export_model(sample_model(), tmp_path / "out", "openvino")
    assert EXPORTERS["openvino"].extra == "openvino"


def test_a_manifest_written_before_there_were_companions_is_read(exported, tmp_path):
    from tests.inference.test_manifest import rewrite

    shutil.copytree(exported, tmp_path / "copy")
    rewrite(tmp_path / "copy", lambda content: [content.pop(name) for name in ("companions", "use")])
    manifest = read_manifest(tmp_path / "copy")
    assert (manifest.companions, manifest.use) == ({}, "")
    assert Predictor(tmp_path / "copy").predict(clip(9000).numpy())[0].label in manifest.labels
