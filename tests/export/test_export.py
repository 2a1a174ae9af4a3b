"""An export: what lies in its folder, what is refused, and that nothing is left of one that is wrong."""

import importlib.util

import numpy as np
import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model

from ser_tl.encoders import load_encoder
from ser_tl.errors import ConfigError, ExportError
from ser_tl.export import export_model
from ser_tl.export.folder import describe
from ser_tl.export.graph import Graph, plain_copy
from ser_tl.export.parity import check_parity, measure_parity
from ser_tl.inference import Predictor
from ser_tl.inference.manifest import MANIFEST_FILE, read_manifest
from ser_tl.inference.session import open_session
from ser_tl.model import EmotionModel, ModelConfig
from tests.encoders.tiny import clip, padded, tiny
from tests.export.samples import calibrated_model, sample_model
from tests.test_model import LABELS, build

pytestmark = pytest.mark.slow


def changed_model():
    model = sample_model()
    with torch.no_grad():
        next(reversed(list(model.head.parameters())))[0] += 0.5
    return model


def test_the_folder_holds_graph_manifest_card_and_table(exported):
    assert {path.name for path in exported.iterdir()} == {"model.onnx", MANIFEST_FILE, "README.md", "parity.md"}
    manifest = read_manifest(exported)
    assert (exported / "parity.md").read_text() == describe(manifest)
    assert (exported / "README.md").read_text().endswith(describe(manifest))
    assert oct(exported.stat().st_mode & 0o777) == "0o755"


def test_parity_is_kept_for_clips_alone_padded_and_in_batches(exported):
    rows = read_manifest(exported).parity
    assert {row["case"] for row in rows} >= {"alone", "padded", "silence", "three, with the longest", "twice, reversed"}
    assert {row["seconds"][1] for row in rows if row["case"] == "alone"} >= {0.11, 0.16, 1.0, 3.0, 4.0}
    assert max(row["clips"] for row in rows) >= 8
    for row in rows:
        assert max(row["probabilities"], row["dimensions"], row["embedding"]) < 1e-5
        assert row["same"] == row["clips"]


def test_the_graph_says_nothing_of_where_it_was_made(exported):
    import onnx

    content = (exported / "model.onnx").read_bytes()
    for trace in (b".py", b"File ", b"site-packages", b"stack_trace", str(exported).encode()):
        assert trace not in content
    graph = onnx.load(str(exported / "model.onnx")).graph
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert shapes == {
        "waveform": ["batch", "samples"],
        "lengths": ["batch"],
        "probabilities": ["batch", 3],
        "dimensions": ["batch", 2],
        "embedding": ["batch", sample_model().pooling.out_dim],
    }
    weights = {tensor.name for tensor in graph.initializer}
    assert not any(node.op_type == "Transpose" and node.input[0] in weights for node in graph.node)


def test_an_export_that_answers_otherwise_is_an_error_and_no_file(recorded, tmp_path):
    with pytest.raises(ExportError, match=r"gives other answers than the model .*no file is left[\s\S]*\| alone \|"):
        export_model(changed_model(), tmp_path / "deep" / "out")
    assert list((tmp_path / "deep").iterdir()) == []


@pytest.mark.parametrize("name", ["probabilities", "dimensions", "embedding"])
def test_every_output_is_checked(exported, name):
    rows = [dict(row) for row in measure_parity(open_session(sample_model()), open_session(exported))]
    check_parity(rows, 1e-4)
    rows[-1][name] = 0.01
    with pytest.raises(ExportError, match="twice, reversed"):
        check_parity(rows, 1e-4)
    rows[-1][name] = float("nan")
    with pytest.raises(ExportError, match="twice, reversed"):
        check_parity(rows, 1e-4)


def test_a_folder_is_new_or_an_export(recorded, exported, tmp_path):
    export_model(sample_model(), tmp_path / "out")
    before = (tmp_path / "out" / MANIFEST_FILE).stat().st_mtime_ns
    export_model(sample_model(), tmp_path / "out")
    assert (tmp_path / "out" / MANIFEST_FILE).stat().st_mtime_ns > before
    with pytest.raises(ExportError):
        export_model(changed_model(), tmp_path / "out")
    assert Predictor(tmp_path / "out").labels == LABELS  # the old one is as it was
    sample_model().save_pretrained(tmp_path / "model")
    with pytest.raises(ExportError, match=r"holds something that is no export \(config\.json"):
        export_model(sample_model(), tmp_path / "model")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ExportError, match="is a file: name a folder"):
        export_model(sample_model(), tmp_path / "file")
    assert {path.name for path in tmp_path.iterdir()} == {"out", "model", "file"}


def test_a_card_goes_along_if_it_is_the_models(recorded, tmp_path):
    model = sample_model()
    model.save_pretrained(tmp_path / "model")
    (tmp_path / "model" / "README.md").write_text("# The card\n")
    export_model(EmotionModel.from_pretrained(tmp_path / "model"), tmp_path / "out")
    assert (tmp_path / "out" / "README.md").read_text().startswith("# The card\n\n## Exported graph")
    assert (tmp_path / "model" / "README.md").read_text() == "# The card\n"


def test_half_precision_halves_the_file_and_keeps_the_answers(recorded, exported, tmp_path):
    manifest = export_model(sample_model(), tmp_path / "half", weights="float16")
    assert manifest.weights == "float16"
    import onnx

    graphs = [onnx.load(str(folder / "model.onnx")).graph for folder in (tmp_path / "half", exported)]
    sizes = [sum(len(tensor.raw_data) for tensor in graph.initializer) for graph in graphs]
    assert sizes[0] < 0.6 * sizes[1]  # of the weights: of a tiny model's file the nodes are a third
    clips = [clip(9000, seed=seed).numpy() for seed in range(3)]
    for one, other in zip(Predictor(tmp_path / "half").predict(clips), Predictor(exported).predict(clips), strict=True):
        assert list(one.probabilities.values()) == pytest.approx(list(other.probabilities.values()), abs=5e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sample_model(statistics="speaker"), r"statistics is speaker.*train with model\.statistics training"),
        (lambda: EmotionModel(load_encoder("prosody"), LABELS), "encoder prosody: .+"),
        (lambda: sample_model().half(), r"weights are torch\.float16: call model\.float\(\)"),
    ],
    ids=["speaker statistics", "prosody", "half"],
)
def test_a_model_that_no_graph_can_hold_is_refused_with_the_reason(make, message, tmp_path):
    with pytest.raises(ExportError, match=message):
        export_model(make(), tmp_path / "out", "torch-export")
    assert list(tmp_path.iterdir()) == []


def test_options_that_dont_go_together_are_refused(tmp_path, monkeypatch):
    model = sample_model()
    with pytest.raises(ConfigError, match="quantize int8: the format torchscript stores weights as float32: take"):
        export_model(model, tmp_path / "out", "torchscript", quantize="int8")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("ser_tl.export.exporting.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs onnx, onnxscript, onnxruntime.*pip install 'ser_tl\[export\]'"):
        export_model(model, tmp_path / "out")
    monkeypatch.setattr("ser_tl.export.exporting.find_spec", lambda name: True)
    with pytest.raises(ConfigError, match="exclude each other"):
        export_model(model, tmp_path / "out", weights="float16", quantize="int8")


@torch.no_grad()
def test_what_is_exported_is_a_copy_with_adapters_folded_in():
    model = build("wav2vec2").train()
    inject_adapter_in_model(LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=False), model.encoder)
    graph = Graph(model)
    assert model.training
    names = [name for name, _ in graph.named_parameters()]
    assert not any("lora" in name or "parametrizations" in name for name in names)
    clips = padded([clip(4000), clip(8000, seed=1)])
    expected = model.eval()(*clips).logits.softmax(dim=-1)
    assert graph.outputs == ["probabilities", "embedding"]
    torch.testing.assert_close(graph(*clips)[0], expected, atol=1e-5, rtol=0)
    before = expected.clone()
    for parameter in graph.parameters():
        parameter.zero_()
    torch.testing.assert_close(model(*clips).logits.softmax(dim=-1), before)


def test_a_model_of_dimensions_alone_has_no_probabilities():
    model = EmotionModel(tiny("hubert"), [], dimensions=["valence"], config=ModelConfig(hidden=8))
    graph = Graph(model)
    assert graph.outputs == ["dimensions", "embedding"]
    with torch.no_grad():
        assert graph(*padded([clip(4000)]))[0].shape == (1, 1)


def test_the_longest_input_is_a_window_or_what_the_encoder_takes():
    assert Graph(sample_model()).longest == 30 * 16_000  # Whisper's
    model = build("wav2vec2")
    assert Graph(model).longest == 30 * 16_000
    longer = EmotionModel(tiny("wav2vec2"), LABELS, audio=type(model.audio)(max_seconds=45.01))
    assert 45.01 * 16_000 <= Graph(longer).longest < 45.05 * 16_000
    assert Graph(longer).longest % 320 == 0
    assert np.isfinite(plain_copy(model).frame_rate)


@pytest.mark.exhaustive
def test_a_gate_is_in_the_graph_and_tells_where_nobody_speaks(calibrated_export):
    assert "speech" in read_manifest(calibrated_export).outputs
    speech = 0.2 * clip(16_000, seed=1).numpy()
    silent = np.pad(speech, (16_000, 12_345))
    room = (1e-3 * np.random.default_rng(0).standard_normal(20_000)).astype(np.float32)
    found = Predictor(calibrated_export).predict([speech, silent, room], sampling_rate=16_000)
    expected = calibrated_model().predict([speech, silent, room], sampling_rate=16_000)
    assert [one.speech for one in found] == [one.speech for one in expected] == [True, True, False]
    for one, other in zip(found[:2], expected, strict=False):
        assert list(one.probabilities.values()) == pytest.approx(list(other.probabilities.values()), abs=1e-5)


def test_a_value_inside_with_an_output_s_name_gets_another():
    from onnx import TensorProto, checker, helper

    from ser_tl.export.onnx import name_outputs

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "output.embedding")]
    nodes = [
        helper.make_node("Neg", ["x"], ["embedding"]),
        helper.make_node("Abs", ["embedding"], ["output.embedding"]),
    ]
    proto = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:]), opset_imports=[helper.make_opsetid("", 20)]
    )
    name_outputs(proto, ["embedding"])
    checker.check_model(proto)
    assert [value.name for value in proto.graph.output] == ["embedding"] == list(proto.graph.node[1].output)
    assert list(proto.graph.node[0].output) == list(proto.graph.node[1].input) == ["embedding.inside"]
