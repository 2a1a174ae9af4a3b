"""Encoders by name, folder and hub id, and every way not to get one."""

import json
import re
import shutil
import socket

import pytest
import torch
from safetensors.torch import load_file, save_file

from ser_tl.encoders import ENCODERS, FAMILIES, Moonshine, SpeechSSL, Whisper, load_encoder
from ser_tl.errors import EncoderError, UnknownNameError
from tests.combinations import with_default

from .tiny import DIM, LAYERS, NAMES, REPRESENTATIVES, checkpoint, clip, padded, save, wrap

pytestmark = pytest.mark.slow


@pytest.fixture
def offline(monkeypatch) -> None:
    """No network: the hub's library is told so, and who still tries fails the test."""

    def refuse(*_):
        pytest.fail("a connection was attempted")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def folder(tmp_path):
    return save("wav2vec2", tmp_path / "encoder")


def states(encoder):
    with torch.no_grad():
        return encoder.eval()(*padded([clip(4000)])).states


def test_the_bundled_encoder_loads_by_name_without_network(offline):
    encoder, card = load_encoder("wav2vec2-mini"), ENCODERS["wav2vec2-mini"]
    assert isinstance(encoder, SpeechSSL)
    assert (encoder.dim, encoder.num_states) == (card.dim, card.layers + 1)
    assert encoder.normalise
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    count = sum(parameter.numel() for parameter in encoder.parameters())
    assert count / 1e6 == pytest.approx(card.parameters, abs=0.05)


def test_without_pretraining_the_architecture_is_the_same_and_the_weights_are_new(offline, folder):
    pretrained, random = load_encoder(str(folder)), load_encoder(str(folder), pretrained=False)
    before, after = pretrained.state_dict(), random.state_dict()
    assert before.keys() == after.keys()
    assert all(before[name].shape == after[name].shape for name in before)
    assert (states(pretrained) - states(random)).abs().max() > 0.1
    assert random.normalise == pretrained.normalise


@pytest.mark.parametrize("name", with_default(NAMES, REPRESENTATIVES))
def test_a_folder_that_transformers_saved_loads_with_its_weights(name, tmp_path, offline):
    encoder = load_encoder(str(save(name, tmp_path)))
    assert type(encoder) is {"whisper": Whisper, "moonshine": Moonshine}.get(name, SpeechSSL)
    assert type(encoder) is FAMILIES[encoder.family]
    assert (encoder.dim, encoder.num_states) == (DIM, LAYERS + 1)
    assert torch.equal(states(encoder), states(wrap(name, checkpoint(name))))


def test_a_loaded_encoder_neither_drops_layers_nor_masks_time(tmp_path):
    encoder = load_encoder(str(save("wav2vec2", tmp_path, layerdrop=0.9, mask_time_prob=0.9, mask_feature_prob=0.9)))
    config = encoder.config["architecture"]
    assert (config["layerdrop"], config.get("mask_time_prob"), config.get("mask_feature_prob", 0.0)) == (0.0, 0.0, 0.0)
    assert not [name for name, _ in encoder.named_parameters() if "masked_spec" in name]  # DDP waits for it in vain


def test_half_precision_weights_are_computed_with_in_float32(tmp_path):
    checkpoint("hubert").half().save_pretrained(tmp_path)
    shutil.copy(save("hubert", tmp_path / "other") / "preprocessor_config.json", tmp_path)
    assert states(load_encoder(str(tmp_path))).dtype == torch.float32


def test_a_relative_folder_needs_no_slash(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert load_encoder("encoder").dim == DIM


@pytest.mark.parametrize("name", ["wavlm-bas-plus", "wavlm-base"])
def test_a_bare_word_that_is_no_name_lists_the_near_ones(name, offline):
    with pytest.raises(UnknownNameError, match=rf"no encoder called '{name}': did you mean 'wavlm-base-plus'"):
        load_encoder(name)


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./nowhere", "~/nowhere-at-all"])
def test_a_folder_that_is_not_there_is_named(name, offline):
    with pytest.raises(EncoderError, match=re.escape(f"encoder {name}: no such folder")):
        load_encoder(name)


def test_an_exported_model_is_no_encoder(tmp_path, offline):
    (tmp_path / "ser_tl_export.json").write_text("{}")
    with pytest.raises(EncoderError, match="this is an exported model, which predicts"):
        load_encoder(str(tmp_path))


@pytest.mark.parametrize("name", ["nobody/nothing", "hubert-base", "runs/misspelt"])
def test_without_network_an_error_tells_how_to_get_the_encoder(name, offline, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path))
    source = ENCODERS[name].source if name in ENCODERS else name
    with pytest.raises(EncoderError, match=rf"nor to be had.*Check the name.*run `hf download {source}` .*`encoder`"):
        load_encoder(name)


def test_an_architecture_that_is_no_encoder_lists_those_that_are(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(EncoderError, match=r"model_type 'bert' is none of .") as error:
        load_encoder(str(tmp_path))
    assert all(family in str(error.value) for family in FAMILIES)


@pytest.mark.parametrize(
    "config",
    ["{not json", "[1, 2]", "{}", '{"model_type": "wav2vec2", "x": '],
    ids=str,
)
def test_a_config_that_cannot_be_read_names_the_folder_and_what_belongs_there(folder, config):
    (folder / "config.json").write_text(config)
    with pytest.raises(EncoderError, match=r"this folder can't be loaded .*Expected config.json, .*found config.json"):
        load_encoder(str(folder))


def test_an_empty_folder_is_told_what_belongs_there(tmp_path):
    with pytest.raises(EncoderError, match=r"Expected config.json, .*model.safetensors .*; found nothing"):
        load_encoder(str(tmp_path))


@pytest.mark.parametrize("gone", ["model.safetensors", "preprocessor_config.json"])
def test_a_missing_file_is_told_from_those_there(folder, gone, offline):
    (folder / gone).unlink()
    with pytest.raises(EncoderError, match="this folder can't be loaded") as error:
        load_encoder(str(folder))
    expected, found = str(error.value).split("Expected")[1].split("; found")
    assert gone in expected
    assert gone not in found


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_weights_that_are_cut_short_are_refused(folder, share):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(EncoderError, match=r"this folder can't be loaded \(.+\)"):
        load_encoder(str(folder))


def test_weights_of_another_size_are_refused(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(EncoderError, match="this folder can't be loaded"):
        load_encoder(str(folder))


def test_a_checkpoint_without_some_weights_lists_them_and_the_way_out(folder):
    path = folder / "model.safetensors"
    weights = load_file(path)
    gone = "encoder.layers.1.final_layer_norm.weight"
    del weights[gone]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(EncoderError, match=r"lacks 1 of the model's weights.*: download it again") as error:
        load_encoder(str(folder))
    assert gone in str(error.value)


def test_an_option_of_another_kind_is_told():
    with pytest.raises(EncoderError, match=r"encoder mfcc: can't be built with \{'window': 'abc'\}"):
        load_encoder("mfcc", window="abc")
