"""The exported folder: what was changed, cut short or made by another version is refused, with the way out."""

import json
import shutil
import sys

import pytest

from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.inference import Predictor
from ser_tl.inference.manifest import FORMAT, KIND, MANIFEST_FILE, digest, hash_file, read_manifest
from ser_tl.model import EmotionModel, KnownSpeakers
from ser_tl.model.serialization import EXPORT_FILE
from tests.export.samples import with_manifest

pytestmark = pytest.mark.slow


@pytest.fixture
def copy(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "copy")


def rewrite(folder, change, *, sign=True):
    path = folder / MANIFEST_FILE
    content = json.loads(path.read_text())
    content.pop("digest")
    change(content)
    path.write_text(json.dumps(content | {"digest": digest(content) if sign else "0"}))


def test_the_file_is_named_as_the_model_s_folder_knows_it():
    assert MANIFEST_FILE == EXPORT_FILE


def test_what_is_written_is_read(exported):
    content = json.loads((exported / MANIFEST_FILE).read_text())
    manifest = read_manifest(exported)
    assert (content["kind"], content["format"]) == (KIND, FORMAT)
    assert manifest.outputs == ["probabilities", "dimensions", "embedding"]
    assert (manifest.sample_rate, manifest.hop, manifest.shortest, manifest.longest) == (16_000, 320, 2560, 480_000)
    assert manifest.audio == {"normalise": "rms", "max_seconds": 4.0, "evaluation": "windows", "gate": "none"}
    known = KnownSpeakers.from_json(manifest.known_speakers)
    assert known.among(["tones/1", "tones/2", "tones/3"]) == ["tones/1", "tones/2"]
    assert "tones/1" not in json.dumps(content)
    assert set(manifest.versions) >= {"ser_tl", "python", "torch", "onnx", "onnxruntime"}


def test_a_newer_format_is_refused_with_the_version_to_install(copy):
    rewrite(copy, lambda content: content.update(format=FORMAT + 1, versions={"ser_tl": "9.9"}))
    with pytest.raises(CheckpointError, match=r"format 2, written by ser_tl 9\.9.*install that version"):
        Predictor(copy)


@pytest.mark.parametrize("key", ["labels", "audio", "batching", "versions"])
def test_a_changed_manifest_is_refused(copy, key):
    rewrite(copy, lambda content: content.update({key: {"labels": ["a", "b", "c"]}.get(key, "x")}), sign=False)
    with pytest.raises(CheckpointError, match=r"changed since it was written.*export the model again"):
        Predictor(copy)


def test_a_manifest_without_a_field_is_refused(copy):
    rewrite(copy, lambda content: content.pop("hop"))
    with pytest.raises(CheckpointError, match=r"incomplete \('hop'\)"):
        Predictor(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '"x"'])
def test_what_is_no_manifest_is_refused(copy, text):
    (copy / MANIFEST_FILE).write_text(text)
    with pytest.raises(CheckpointError, match="export the model again"):
        Predictor(copy)


def test_a_changed_or_missing_graph_is_refused(copy):
    graph = copy / "model.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.onnx: damaged or changed, its sha256"):
        Predictor(copy)
    graph.unlink()
    with pytest.raises(CheckpointError, match=r"model\.onnx: missing \(found: README\.md"):
        Predictor(copy)


def test_a_graph_that_the_runtime_cant_load_is_named_with_its_version(exported, tmp_path):
    copy = with_manifest(exported, tmp_path / "copy")
    (copy / "model.onnx").write_bytes(b"no graph")
    rewrite(copy, lambda content: content.update(sha256=hash_file(copy / "model.onnx")))
    with pytest.raises(CheckpointError, match=r"onnxruntime .* can't load it"):
        Predictor(copy)


def test_a_graph_outside_of_the_folder_is_refused(copy):
    rewrite(copy, lambda content: content.update(graph="../other/model.onnx"))
    with pytest.raises(CheckpointError, match="lies outside of the folder"):
        Predictor(copy)


def test_an_unknown_runtime_and_a_missing_one_are_named(exported, tmp_path, monkeypatch):
    other = with_manifest(exported, tmp_path / "other", runtime="abacus")
    with pytest.raises(ConfigError, match="exported for abacus"):
        Predictor(other)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match="pip install onnxruntime"):
        Predictor(exported)


def test_an_export_is_not_trained(exported):
    with pytest.raises(CheckpointError, match=r"an exported model, which predicts .* can't be trained"):
        EmotionModel.from_pretrained(exported)
