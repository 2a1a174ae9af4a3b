"""TensorFlow Lite: a window of one length, converted and computed in an environment of its own.

Needs such an environment: python -m venv VENV; VENV/bin/pip install litert-torch ai-edge-quantizer, and
SER_TL_LITERT names VENV.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ser_tl.corpora import load_corpus
from ser_tl.data.audio import AudioConfig
from ser_tl.encoders import load_encoder
from ser_tl.errors import ConfigError, ExportError
from ser_tl.export import EXPORTERS, export_model
from ser_tl.export.environment import SCRIPTS, find_python, run_script
from ser_tl.export.graph import Graph, signature
from ser_tl.export.remote_session import RemoteSession
from ser_tl.inference import Predictor
from ser_tl.inference.manifest import read_manifest
from ser_tl.model import EmotionModel
from tests.encoders.tiny import KINDS, clip
from tests.export.samples import sample_model, with_manifest
from tests.test_model import LABELS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # conversions of a minute each, two on a busy machine


@pytest.fixture(scope="module")
def environment():
    folder = os.environ.get("SER_TL_LITERT")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs an environment with litert-torch and ai-edge-quantizer, which SER_TL_LITERT names")
    return Path(folder)


def gated_model():
    return EmotionModel(load_encoder("logmel-40"), LABELS, audio=AudioConfig(max_seconds=3.0, gate="energy")).eval()


@pytest.mark.parametrize("make", [sample_model, gated_model], ids=["whisper", "log-mel with a gate"])
def test_a_window_gives_the_model_s_answers_and_int8_nearly(environment, tmp_path, monkeypatch, make):
    model = make()
    manifest = export_model(model, tmp_path / "out", "tflite", python=environment, window=2.0)
    assert (manifest.shortest, manifest.longest, manifest.batching) == (32_000, 32_000, "alone")
    assert manifest.audio["max_seconds"] == 2.0
    assert max(row["probabilities"] for row in manifest.parity) < 2e-5
    assert all(row["same"] == row["clips"] for row in manifest.parity)
    assert "2 s, zeros behind its end" in (tmp_path / "out" / "README.md").read_text()
    session = RemoteSession(find_python(environment), "tflite_run.py", tmp_path / "out" / "model.tflite", manifest)
    clips = [0.3 * clip(5000 + 6000 * seed, seed=seed).numpy() for seed in range(4)]
    for found, expected in zip(Predictor(session).predict(clips), model.predict(clips), strict=True):
        assert list(found.probabilities.values()) == pytest.approx(list(expected.probabilities.values()), abs=1e-5)
    monkeypatch.setattr("ser_tl.export.agreement.LEAST_AGREEMENT", 0.0)  # a random model's answers hang on a hair
    corpus = load_corpus("emodb-mini").select(range(0, 535, 18))
    options = {"python": environment, "window": 2.0, "quantize": "int8", "calibrate": corpus}
    manifest = export_model(model, tmp_path / "small", "tflite", **options)
    assert (manifest.weights, manifest.quantization["way"]) == ("int8", "dynamic")
    assert manifest.quantization["chosen"]["mean_difference"] < 0.05
    sizes = [(tmp_path / name / "model.tflite").stat().st_size for name in ("small", "out")]
    assert sizes[0] < sizes[1]
    layers = tmp_path / "layers.json"
    layers.write_text(json.dumps({"computed": [], "stored": []}))
    plain, target = tmp_path / "out" / "model.tflite", tmp_path / "none.tflite"
    with pytest.raises(ExportError, match="none of the model's trained layers"):
        run_script(find_python(environment), "tflite_quantize.py", plain, target, layers)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["log-mel with a gate", "soundnet"])
def test_what_a_converter_folds_is_short(tmp_path, kind):
    """All that doesn't depend on the clip is stored in the file, so nothing of that may be as long as a clip."""
    audio = AudioConfig(normalise="rms", max_seconds=3.0, gate="energy")
    encoder = load_encoder("logmel-40") if kind == "log-mel with a gate" else KINDS[kind].make(0)
    model = EmotionModel(encoder, LABELS, audio=audio, pooling="stats").eval()
    Graph(model).save_program(tmp_path / "program.pt2", 48_000)
    program = torch.export.load(tmp_path / "program.pt2")
    constant = set()
    for node in program.graph.nodes:
        if node.op == "call_function" and constant.issuperset(node.all_input_nodes):
            constant.add(node)
    sizes = [node.meta["val"].numel() for node in constant if hasattr(node.meta.get("val"), "numel")]
    assert max(sizes) < 8000
    for seed, samples in enumerate((2600, 20_000, 47_999, 48_000)):
        waveform, lengths = torch.zeros(1, 48_000), torch.tensor([samples])
        waveform[0, :samples] = 0.3 * clip(samples, seed=seed)
        (found, *_), expected = program.module()(waveform, lengths), model.predict(waveform[0, :samples].numpy())
        assert found[0].tolist() == pytest.approx(list(expected.probabilities.values()), abs=1e-5)


def test_a_recording_longer_than_the_window_is_cut(environment, tmp_path):
    model = gated_model()
    manifest = export_model(model, tmp_path / "out", "tflite", python=environment, window=1.0)
    session = RemoteSession(find_python(environment), "tflite_run.py", tmp_path / "out" / "model.tflite", manifest)
    (found,) = Predictor(session).predict(0.3 * clip(40_000).numpy())
    assert len(found.segments) == 3


def test_the_environment_has_to_be_named_and_there(tmp_path):
    with pytest.raises(ConfigError, match=r"needs an environment of its own.*pip install litert-torch"):
        export_model(sample_model(), tmp_path / "out", "tflite")
    with pytest.raises(ConfigError, match="no interpreter there: name an environment's folder"):
        export_model(sample_model(), tmp_path / "out", "tflite", python=tmp_path)
    with pytest.raises(ConfigError, match="onnx is converted in this environment: leave it out"):
        export_model(sample_model(), tmp_path / "out", "onnx", python=sys.executable)
    with pytest.raises(ConfigError, match="onnx takes clips of any length: leave it out"):
        export_model(sample_model(), tmp_path / "out", "onnx", window=3.0)
    for window in (0.05, 99.0):
        with pytest.raises(ConfigError, match=r"expected 0\.16 to 30 seconds"):
            export_model(sample_model(), tmp_path / "out", "tflite", python=sys.executable, window=window)
    assert list(tmp_path.iterdir()) == []


def test_a_converter_that_fails_is_quoted(tmp_path):
    with pytest.raises(ExportError, match=r"tflite_convert\.py failed in .*python[\s\S]*litert_torch"):
        run_script(Path(sys.executable), "tflite_convert.py", tmp_path / "no.pt2", tmp_path / "out.tflite")


def test_the_environment_is_not_led_to_this_one_s_packages(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    script = tmp_path / "show.py"
    script.write_text(
        "import json, os, sys\njson.dump([sys.path, os.environ.get('PYTHONPATH')], open(sys.argv[1], 'w'))"
    )
    monkeypatch.setattr("ser_tl.export.environment.SCRIPTS", tmp_path)
    run_script(Path(sys.executable), "show.py", tmp_path / "shown.json")
    paths, variable = json.loads((tmp_path / "shown.json").read_text())
    assert str(tmp_path) not in paths
    assert variable is None


def test_a_session_whose_process_ends_says_what_it_said(exported, tmp_path, monkeypatch):
    script = tmp_path / "run.py"
    script.write_text("import sys\nsys.exit('no such operation')")
    monkeypatch.setattr("ser_tl.export.remote_session.SCRIPTS", tmp_path)
    session = RemoteSession(Path(sys.executable), "run.py", tmp_path / "model.tflite", read_manifest(exported))
    with pytest.raises(ExportError, match=r"run\.py failed:\nno such operation"):
        session.compute(np.zeros((1, 3200), np.float32), np.array([3200]), ["probabilities"])


def test_what_computes_it_is_named_where_it_is_missing(exported, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(ConfigError, match="pip install ai-edge-litert"):
        Predictor(with_manifest(exported, tmp_path / "copy", runtime="litert"))
    assert EXPORTERS["tflite"].has_window


def test_the_script_signs_weights_as_the_exporter_does():
    text = (SCRIPTS / "tflite_quantize.py").read_text()
    names = {"np": np, "hashlib": hashlib}
    exec(text[text.index("def sign(") : text.index("CONVOLUTIONS = ")], names)
    weight = np.random.default_rng(0).standard_normal((6, 8, 5)).astype(np.float32)
    assert names["sign"](weight) == signature(weight).hex()
