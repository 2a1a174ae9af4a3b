"""AOTInductor's package, and the ONNX graph that TensorRT is to build an engine of."""

import os
import shutil

import pytest

from ser_tl.errors import ConfigError, ExportError
from ser_tl.export import EXPORTERS, export_model
from ser_tl.export.tensorrt import UNSUPPORTED, check_operations
from ser_tl.inference import Predictor
from ser_tl.inference.manifest import read_manifest
from ser_tl.model import EmotionModel
from tests.encoders.tiny import KINDS, clip
from tests.export.samples import sample_model
from tests.test_model import LABELS

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not os.environ.get("SER_TL_SLOW"), reason="compiles for a minute: SER_TL_SLOW=1 runs it")
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler: apt-get install g++")
def test_a_compiled_package_gives_the_model_s_answers(tmp_path):
    model = EmotionModel(KINDS["mfcc"].make(0), LABELS).eval()
    manifest = export_model(model, tmp_path / "out", "aotinductor")
    assert max(row["probabilities"] for row in manifest.parity) < 1e-5
    assert "export it again for another machine" in (tmp_path / "out" / "README.md").read_text()
    clips = [clip(700 + 9000 * seed, seed=seed).numpy() for seed in range(4)]
    for found, expected in zip(Predictor(tmp_path / "out").predict(clips), model.predict(clips), strict=True):
        assert list(found.probabilities.values()) == pytest.approx(list(expected.probabilities.values()), abs=1e-5)


def test_without_a_compiler_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("ser_tl.export.aotinductor.shutil.which", lambda name: None)
    with pytest.raises(ConfigError, match=r"none of g\+\+, clang\+\+, c\+\+ is here: install one"):
        export_model(sample_model(), tmp_path / "out", "aotinductor")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def recorded_onnx(exported, monkeypatch):
    monkeypatch.setattr(
        "ser_tl.export.onnx.Onnx.write", lambda self, graph, path: shutil.copyfile(exported / "model.onnx", path)
    )


def test_the_line_that_builds_an_engine_is_in_card_and_manifest(recorded_onnx, tmp_path):
    manifest = export_model(sample_model(), tmp_path / "out", "tensorrt")
    line = (
        "trtexec --onnx=model.onnx --saveEngine=model.engine --minShapes=waveform:1x2560,lengths:1 "
        "--optShapes=waveform:1x48000,lengths:1 --maxShapes=waveform:16x480000,lengths:16"
    )
    assert line in manifest.use
    assert "TensorRT was not run here" in manifest.use
    assert line in (tmp_path / "out" / "README.md").read_text()
    assert read_manifest(tmp_path / "out").use == manifest.use
    assert Predictor(tmp_path / "out").predict(clip(9000).numpy())[0].label in manifest.labels  # by onnxruntime


def test_operations_that_the_parser_refuses_are_named_and_no_file_is_left(recorded_onnx, tmp_path, monkeypatch):
    monkeypatch.setattr("ser_tl.export.tensorrt.UNSUPPORTED", UNSUPPORTED | {"Softmax"})
    with pytest.raises(ExportError, match=r"can't build this graph, so no file is left[\s\S]*Softmax: unknown to"):
        export_model(sample_model(), tmp_path / "out", "tensorrt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("operation", "inputs", "options", "message"),
    [
        ("Unique", ["x"], {}, "Unique: unknown to the parser"),
        ("MaxPool", ["x"], {"kernel_shape": [2]}, "pools one axis"),
        ("ReduceMean", ["x", "axes"], {}, "input 1 has to be a constant"),
        ("Attention", ["x"], {"domain": "com.microsoft"}, "not of ONNX's own operations"),
        ("MatMul", ["x", "x"], {}, None),
        ("MaxPool", ["x"], {"kernel_shape": [2, 2]}, None),
        ("ReduceMean", ["x", "w"], {}, None),
    ],
)
def test_each_kind_of_refusal(operation, inputs, options, message):
    onnx = pytest.importorskip("onnx", reason="needs the extra: pip install 'ser_tl[export]'")
    node = onnx.helper.make_node(operation, inputs, ["y"], **options)
    weight = onnx.helper.make_tensor("w", onnx.TensorProto.INT64, [1], [0])
    problems = check_operations(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], [], [weight])))
    assert problems == [] if message is None else message in problems[0]


def test_integers_are_refused_for_what_stores_none(tmp_path):
    for name in ("aotinductor", "tensorrt"):
        with pytest.raises(ConfigError, match=f"quantize int8: the format {name} stores weights as"):
            export_model(sample_model(), tmp_path / "out", name, quantize="int8")
    assert issubclass(EXPORTERS["tensorrt"], EXPORTERS["onnx"])
