"""Checkpoints as the hub has them: old names, old files, models saved with a head, and files that would run code."""

import os
import pickle
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    Data2VecAudioForCTC,
    HubertForCTC,
    HubertForSequenceClassification,
    UniSpeechSatForPreTraining,
    Wav2Vec2ForCTC,
    Wav2Vec2ForPreTraining,
    Wav2Vec2ForXVector,
    WavLMForCTC,
)

from ser_tl.encoders import load_encoder
from ser_tl.errors import EncoderError
from tests.combinations import each_value_once

from .tiny import checkpoint, clip, padded, save

pytestmark = pytest.mark.slow

OLD_NAMES = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
WRITERS = {
    "model.safetensors": lambda weights, path: save_file(weights, path, metadata={"format": "pt"}),
    "pytorch_model.bin": torch.save,
    "pytorch_model.bin before torch 1.6": lambda weights, path: torch.save(
        weights, path, _use_new_zipfile_serialization=False
    ),
}


@torch.no_grad()
def states(folder):
    return load_encoder(str(folder)).eval()(*padded([clip(4000)])).states


def only(folder, file: str):
    """The path of the folder's only file of weights, yet to be written."""
    (folder / "model.safetensors").unlink()
    return folder / file


class Evil:
    """What a pickle can do: it makes a folder where it is opened."""

    def __init__(self, trace) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize(
    ("name", "writer"),
    each_value_once(["wav2vec2-group", "hubert-group", "wavlm-group", "unispeech-sat"], list(WRITERS)),
)
def test_weights_with_the_old_names_of_weight_norm_load_from_any_file(name, writer, tmp_path, capfd):
    expected = states(save(name, tmp_path))
    weights = load_file(tmp_path / "model.safetensors")
    for new, old in OLD_NAMES.items():
        weights[f"encoder.pos_conv_embed.conv.{old}"] = weights.pop(f"encoder.pos_conv_embed.conv.{new}")
    WRITERS[writer](weights, only(tmp_path, writer.split()[0]))
    capfd.readouterr()
    assert torch.equal(states(tmp_path), expected)
    assert not re.search("MISSING|newly initialized", capfd.readouterr().err)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("wav2vec2", Wav2Vec2ForPreTraining),
        ("wav2vec2-group", Wav2Vec2ForXVector),
        ("hubert-group", HubertForSequenceClassification),
        ("data2vec-audio", Data2VecAudioForCTC),
        *[
            pytest.param(*case, marks=pytest.mark.exhaustive)
            for case in (
                ("wav2vec2-group", Wav2Vec2ForCTC),
                ("hubert", HubertForCTC),
                ("wavlm-group", WavLMForCTC),
                ("unispeech-sat", UniSpeechSatForPreTraining),
            )
        ],
    ],
)
def test_a_model_saved_with_its_head_loads_without_it(name, kind, tmp_path, capfd):
    expected = states(save(name, tmp_path / "plain"))
    model = checkpoint(name)
    sizes = {"vocab_size": 8, "num_codevectors_per_group": 4, "codevector_dim": 8, "proj_codevector_dim": 8}
    whole = kind(type(model.config)(**(model.config.to_diff_dict() | sizes)))
    getattr(whole, whole.base_model_prefix).load_state_dict(model.state_dict())
    whole.save_pretrained(tmp_path)
    shutil.copy(tmp_path / "plain" / "preprocessor_config.json", tmp_path)
    names = load_file(tmp_path / "model.safetensors").keys()
    assert {name.startswith(f"{whole.base_model_prefix}.") for name in names} == {True, False}
    capfd.readouterr()
    assert torch.equal(states(tmp_path), expected)
    assert not re.search("MISSING|newly initialized", capfd.readouterr().err)


def test_a_head_alone_is_no_encoder(tmp_path):
    path = only(save("wav2vec2", tmp_path), "model.safetensors")
    save_file({"lm_head.weight": torch.zeros(8, 16)}, path, metadata={"format": "pt"})
    with pytest.raises(EncoderError, match="weights, which would stay random"):
        load_encoder(str(tmp_path))


@pytest.mark.parametrize("write", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what, 2))])
def test_a_file_that_would_run_code_is_refused_and_does_not_run(write, tmp_path):
    path = only(save("wav2vec2", tmp_path), "pytorch_model.bin")
    trace = tmp_path / "ran"
    write({"encoder.layer_norm.weight": Evil(trace)}, path)
    with pytest.raises(EncoderError, match=r"pytorch_model.bin holds more than tensors.*get .* as model.safetensors"):
        load_encoder(str(tmp_path))
    assert not trace.exists()
    torch.load(path, weights_only=False) if write is torch.save else pickle.loads(path.read_bytes())
    assert trace.exists()  # it would have run


def test_a_bin_file_that_is_cut_short_is_refused(tmp_path):
    path = only(save("wav2vec2", tmp_path), "pytorch_model.bin")
    torch.save(checkpoint("wav2vec2").state_dict(), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(EncoderError, match=r"encoder .*pytorch_model.bin"):
        load_encoder(str(tmp_path))
