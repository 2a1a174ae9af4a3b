"""Where students come from, what they take over from a teacher, and the folder they end in."""

import json
import warnings

import pytest
import torch
from transformers import HubertConfig, HubertModel, Wav2Vec2Model

from ser_tl.distill import copy_layers, load_student, save_student
from ser_tl.encoders import load_encoder
from ser_tl.errors import ConfigError, EncoderError
from tests.distill.samples import SMALL, small_student
from tests.encoders.tiny import DIM, tiny

pytestmark = pytest.mark.slow


def states(model, state, mask):
    return list(model.iter_layers(state, mask, 0))


def test_copied_layers_compute_what_whispers_do():
    teacher, student = tiny("whisper", seed=3), small_student().eval()
    copy_layers(teacher, student)
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(2, 30, DIM, generator=generator)
    mask = torch.arange(30) < torch.tensor([30, 17])[:, None]
    theirs, ours = states(teacher, state, mask), states(student, state, mask)
    torch.testing.assert_close(ours[0][mask], theirs[0][mask], rtol=0.0, atol=1e-5)
    last = torch.nn.functional.layer_norm(theirs[1], (DIM,))  # the student's own norm, still without weights
    torch.testing.assert_close(ours[1][mask], last[mask], rtol=0.0, atol=1e-5)
    assert (theirs[0] - state)[mask].abs().max() > 0.01


def test_layers_of_the_students_own_family_are_copied_too():
    teacher, student = tiny("wav2vec2", seed=3), tiny("wav2vec2", seed=4)
    copy_layers(teacher, student)
    state, mask = torch.randn(1, 9, DIM), torch.ones(1, 9, dtype=torch.bool)
    torch.testing.assert_close(states(student, state, mask)[1], states(teacher, state, mask)[1])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"intermediate_size": 48}, r"intermediate_size 48 instead of 32.*Change the student's config"),
        ({"do_stable_layer_norm": False}, r"do_stable_layer_norm False instead of True"),
        ({"num_hidden_layers": 4}, r"the student has 4 layers and the teacher 3: lower num_hidden_layers"),
    ],
)
def test_layers_that_do_not_fit_are_told(changes, told):
    with pytest.raises(ConfigError, match=told):
        copy_layers(tiny("whisper"), small_student(**changes))


def test_layers_of_another_kind_are_refused():
    with pytest.raises(ConfigError, match=r"layers of wavlm can't be copied.*leave it out"):
        copy_layers(tiny("wavlm"), small_student())


@pytest.mark.parametrize("where", ["file", "folder"])
def test_a_config_is_a_student_with_random_weights(tmp_path, where):
    (tmp_path / "config.json").write_text(json.dumps(SMALL | {"model_type": "wav2vec2", "layerdrop": 0.5}))
    (tmp_path / "preprocessor_config.json").write_text('{"do_normalize": false}')
    student = load_student(str(tmp_path / "config.json" if where == "file" else tmp_path))
    assert (student.dim, student.num_states, student.normalise) == (DIM, 3, False)
    assert student.model.config.layerdrop == 0.0


@pytest.mark.parametrize("kept", [{"max_shard_size": "20KB"}, {"safe_serialization": False}], ids=["shards", "bin"])
def test_weights_are_found_however_a_checkpoint_keeps_them(tmp_path, kept):
    save_student(small_student(), tmp_path, torch.float32)
    model = Wav2Vec2Model.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    if "max_shard_size" in kept:
        model.save_pretrained(tmp_path, **kept)
    else:
        torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    assert not (tmp_path / "model.safetensors").exists()
    loaded = load_student(str(tmp_path)).model.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())


def test_what_is_no_student_is_told(tmp_path):
    with pytest.raises(EncoderError, match=r"soundnet encoder can't be a student.*choose wav2vec2"):
        load_student("soundnet")
    with pytest.raises(EncoderError, match=r"name a config\.json"):
        load_student(str(tmp_path / "nowhere.json"))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(EncoderError, match=r"'bert'; expected one of .*hubert.*wav2vec2"):
        load_student(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps(SMALL | {"model_type": "wav2vec2", "num_attention_heads": 3}))
    with pytest.raises(EncoderError, match=r"can't build this config .*: correct it"):
        load_student(str(tmp_path))


def test_a_students_folder_is_transformers_own(tmp_path, caplog):
    student = small_student().eval()
    save_student(student, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain, info = Wav2Vec2Model.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values())
    assert plain.dtype == torch.float16
    assert "newly initialized" not in caplog.text
    waveform, lengths = torch.randn(1, 8000), torch.tensor([8000])
    again = load_encoder(str(tmp_path))
    assert again.normalise
    for one, other in zip(student(waveform, lengths).states, again(waveform, lengths).states, strict=True):
        torch.testing.assert_close(one, other, rtol=0.0, atol=0.02)
    heard = (waveform - waveform.mean()) / waveform.std(correction=0)
    with torch.no_grad():
        said = plain.float()(heard).last_hidden_state
    torch.testing.assert_close(said, again(waveform, lengths).states[-1], rtol=0.0, atol=1e-3)


def test_hubert_takes_the_same_weights(tmp_path):
    """docs/distillation.md says so."""
    save_student(small_student(), tmp_path, torch.float32)
    plain = Wav2Vec2Model.from_pretrained(tmp_path).eval()
    config = json.loads((tmp_path / "config.json").read_text())
    config.pop("model_type")
    hubert = HubertModel(HubertConfig(**config)).eval()
    hubert.load_state_dict(plain.state_dict())
    heard = torch.randn(1, 8000)
    with torch.no_grad():
        torch.testing.assert_close(hubert(heard).last_hidden_state, plain(heard).last_hidden_state)
