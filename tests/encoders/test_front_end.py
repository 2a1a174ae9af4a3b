"""What a checkpoint's own files say of its front end and its head is heeded, or refused with the value named."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import WhisperFeatureExtractor

from ser_tl.encoders import load_encoder
from ser_tl.errors import CheckpointError, EncoderError
from ser_tl.model import EmotionModel
from tests.encoders.tiny import save
from tests.model.test_transformers_classifier import write

pytestmark = pytest.mark.slow


def edit(path: Path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint of a family whose preprocessor_config.json says other things."""

    def make(name, **changes):
        save(name, tmp_path)
        if name == "whisper":
            WhisperFeatureExtractor().save_pretrained(tmp_path)
        edit(tmp_path / "preprocessor_config.json", **changes)
        return str(tmp_path)

    return make


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("wav2vec2", {"sampling_rate": 8000}, "sampling_rate: 8000, here 16000"),
        ("hubert-group", {"sampling_rate": 44_100}, "sampling_rate: 44100, here 16000"),
        ("wavlm", {"feature_size": 2}, "feature_size: 2, here 1"),
        (
            "wav2vec2",
            {"feature_extractor_type": "SeamlessM4TFeatureExtractor"},
            "feature_extractor_type: 'SeamlessM4TFeatureExtractor', here 'Wav2Vec2FeatureExtractor'",
        ),
        ("whisper", {"sampling_rate": 8000}, "sampling_rate: 8000, here 16000"),
        ("whisper", {"hop_length": 200}, "hop_length: 200, here 160"),
        ("whisper", {"n_fft": 512}, "n_fft: 512, here 400"),
        ("whisper", {"feature_size": 128}, "feature_size: 128, here 80"),
        ("whisper", {"do_normalize": True}, "do_normalize: True, here False"),
        ("moonshine", {"do_normalize": True}, "do_normalize: True, here False"),
        ("moonshine", {"sampling_rate": 8000}, "sampling_rate: 8000, here 16000"),
    ],
)
def test_a_checkpoint_on_other_features_is_refused(name, changes, told, checkpoint):
    with pytest.raises(EncoderError, match=rf"trained on other features than it gets here(.|\n)*{told}"):
        load_encoder(checkpoint(name, **changes))


@pytest.mark.parametrize("name", ["wav2vec2", "whisper"])
def test_a_checkpoint_on_the_usual_features_loads_whatever_else_it_says(name, checkpoint):
    load_encoder(checkpoint(name, padding_side="left", processor_class="Mine", return_attention_mask=False))


def test_whether_clips_are_normalised_is_heeded(checkpoint):
    assert not load_encoder(checkpoint("wav2vec2", do_normalize=False)).normalise
    assert load_encoder(checkpoint("wav2vec2", do_normalize=True)).normalise


def test_a_front_end_is_read_from_a_processor_s_file_too(checkpoint, tmp_path):
    source = checkpoint("whisper", sampling_rate=8000)
    said = json.loads((tmp_path / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").unlink()
    (tmp_path / "processor_config.json").write_text(json.dumps({"feature_extractor": said}))
    with pytest.raises(EncoderError, match="sampling_rate: 8000, here 16000"):
        load_encoder(source)


@pytest.mark.parametrize("name", ["wav2vec2", "whisper"])
def test_a_classifier_on_other_features_is_refused(name, tmp_path):
    source = write(name, tmp_path)
    edit(tmp_path / "preprocessor_config.json", sampling_rate=8000)
    with pytest.raises(CheckpointError, match="sampling_rate: 8000, here 16000"):
        EmotionModel.from_transformers(source)


HEADS = {
    "RegressionHead": {"classifier.dense": (16, 16), "classifier.out_proj": (3, 16)},
    "Wav2Vec2ForSpeechClassification": {"classifier.dense": (16, 16), "classifier.out_proj": (4, 16)},
    "Wav2Vec2ForCTC": {"lm_head": (32, 16)},
}


@pytest.mark.parametrize("architecture", list(HEADS))
def test_a_head_of_another_shape_is_named_for_what_it_is(architecture, tmp_path):
    source = write("wav2vec2", tmp_path)
    weights = {name: one for name, one in load_file(tmp_path / "model.safetensors").items() if "wav2vec2." in name}
    for name, shape in HEADS[architecture].items():
        weights |= {f"{name}.weight": torch.randn(shape), f"{name}.bias": torch.randn(shape[0])}
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    edit(tmp_path / "config.json", architectures=[architecture])
    found = rf"is of {architecture}: it lacks 4 of the weights(.|\n)*doesn't know"
    with pytest.raises(CheckpointError, match=found) as told:
        EmotionModel.from_transformers(source)
    assert "download it again" not in str(told.value)
    assert next(iter(HEADS[architecture])) in str(told.value)
    assert load_encoder(source).family == "wav2vec2"  # its encoder is a good one


def test_a_head_whose_sizes_are_not_those_of_its_config_is_refused(tmp_path):
    source = write("wav2vec2", tmp_path)
    edit(tmp_path / "config.json", classifier_proj_size=9)
    found = r"other shapes than its config.json(.|\n)*weight: \(4, 6\), expected \(4, 9\)"
    with pytest.raises(CheckpointError, match=found):
        EmotionModel.from_transformers(source)


def test_outputs_without_a_name_are_told(tmp_path):
    source = write("wav2vec2", tmp_path)
    edit(tmp_path / "config.json", id2label={"0": "ang", "1": "hap", "2": "neu", "7": "sad"}, label2id={})
    with pytest.raises(CheckpointError, match=r"names 0, 1, 2, 7, and its classifier has outputs 0 to 3: name each"):
        EmotionModel.from_transformers(source)
