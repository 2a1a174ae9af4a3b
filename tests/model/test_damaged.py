"""Hundreds of damages of models' and adapters' folders: each is refused clearly, or changes nothing."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import ser_tl as ser
from ser_tl.errors import CheckpointError, SerTlError
from ser_tl.model import CONFIG_FILE, WEIGHTS_FILE, EmotionModel, ModelConfig
from tests.combinations import with_default
from tests.encoders.tiny import KINDS
from tests.model.mutations import json_damages, noise, text_damages, weight_damages
from tests.model.test_saved_before import SAVED
from tests.test_model import LABELS, build

pytestmark = pytest.mark.slow

CLIP = noise(8000)


def answers(model):
    found = model.predict(CLIP)
    return np.array([*found.probabilities.values(), *found.dimensions.values()])


def base_of_adapter():
    return EmotionModel.from_pretrained(SAVED / "wav2vec2").encoder


def save_new(name, folder):
    if name == "adapter":
        ser.save_adapter(ser.load_adapter(SAVED / name, base_of_adapter()), folder)
    elif (SAVED / name).is_dir():
        EmotionModel.from_pretrained(SAVED / name).save_pretrained(folder)
    else:
        EmotionModel(KINDS[name].make(0), LABELS, config=ModelConfig(hidden=8)).save_pretrained(folder)


def load(folder, base=None):
    return EmotionModel.from_pretrained(folder) if base is None else ser.load_adapter(folder, base)


@pytest.mark.parametrize("name", with_default(["wav2vec2", "mfcc", "whisper", "soundnet", "adapter"], ["mfcc"]))
def test_a_damaged_folder_is_refused_or_gives_the_same_answers(name, tmp_path):
    save_new(name, tmp_path / "whole")
    base = base_of_adapter() if name == "adapter" else None
    before = answers(load(tmp_path / "whole", base))
    refused, unharmed = 0, []
    for label, damage in damages(tmp_path / "whole", seed=len(name)):
        shutil.copytree(tmp_path / "whole", tmp_path / "damaged", dirs_exist_ok=True)
        damage(tmp_path / "damaged")
        try:
            after = answers(load(tmp_path / "damaged", base))
        except SerTlError:
            refused += 1
        except Exception as error:
            pytest.fail(f"{label}: {type(error).__name__}: {error}")
        else:
            assert np.array_equal(after, before), label
            unharmed.append(label)
    assert refused > 60
    assert len(unharmed) < 25, unharmed


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["wav2vec2", "mfcc"])
def test_a_damaged_folder_of_an_earlier_version_is_refused_or_gives_numbers(name, tmp_path):
    refused = 0
    for label, damage in damages(SAVED / name, seed=1):
        shutil.copytree(SAVED / name, tmp_path, dirs_exist_ok=True)
        damage(tmp_path)
        try:
            assert np.isfinite(answers(EmotionModel.from_pretrained(tmp_path))).all(), label
        except SerTlError:
            refused += 1
        except Exception as error:
            pytest.fail(f"{label}: {type(error).__name__}: {error}")
    assert refused > 40


def damages(folder, seed):
    """Damages of both files; not of what may be edited: labels, windows."""
    config_file, weights_file = (next(iter(folder.glob(pattern))) for pattern in ("[ac]*.json", "*.safetensors"))
    text = config_file.read_bytes()
    config = json.loads(text)
    for label, changed in json_damages(config, 50, seed):
        if all(changed.get(part) == config[part] or type(changed.get(part)) is not type(config[part]) for part in FREE):
            yield label, lambda at, changed=changed: (at / config_file.name).write_text(json.dumps(changed))
    for label, other in text_damages(text, 8, seed):
        if b"labels" not in other or other.count(b'"fingerprint"') != 1 or _unchanged(other, config):
            yield label, lambda at, other=other: (at / config_file.name).write_bytes(other)
    for label, change in weight_damages(weights_file, 20, seed):
        yield label, lambda at, change=change: change(at / weights_file.name)


FREE = ("labels", "audio")


def _unchanged(text, config):
    try:
        found = json.loads(text)
    except ValueError:
        return True
    return isinstance(found, dict) and all(found.get(part) == config[part] for part in FREE)


@pytest.mark.parametrize("old", [False, True], ids=["new", "of an earlier version"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 3e38])
def test_weights_that_are_no_numbers_are_refused_by_name(value, old, tmp_path):
    model = build()
    with torch.no_grad():
        model.mix.scores[1] = value
    model.save_pretrained(tmp_path)
    if old:
        as_before(tmp_path)
    with pytest.raises(CheckpointError, match=r"NaN, infinite or beyond 1e19 .*the training diverged(.|\n)*mix.scores"):
        EmotionModel.from_pretrained(tmp_path)


def as_before(folder: Path):
    """Turns a model's folder into one of format 2."""
    config = json.loads((folder / CONFIG_FILE).read_text())
    del config["fingerprint"]
    (folder / CONFIG_FILE).write_text(json.dumps(config | {"format": 2}))
    save_file(load_file(folder / WEIGHTS_FILE), folder / WEIGHTS_FILE, metadata={"format": "pt"})


def test_one_bit_is_noticed(tmp_path):
    build().save_pretrained(tmp_path)
    path = tmp_path / WEIGHTS_FILE
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match=r"model.safetensors: damaged, or not the weights"):
        EmotionModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("hidden", 10**12),
        ("hidden", 10**7),
        ("projection", 10**12),
        ("projection", 10**30),
        ("encoder", {"hidden_size": 2 * 10**5}),
        ("encoder", {"num_hidden_layers": 10**9}),
        ("encoder", {"intermediate_size": 10**8}),
    ],
    ids=str,
)
def test_numbers_without_end_take_neither_memory_nor_time(part, value, tmp_path):
    build().save_pretrained(tmp_path)
    config = json.loads((tmp_path / CONFIG_FILE).read_text())
    if part == "encoder":
        config["encoder"]["config"]["architecture"] |= value
    else:
        config["model"][part] = value
    (tmp_path / CONFIG_FILE).write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"config.json: (describes a model of more than|not the config)"):
        EmotionModel.from_pretrained(tmp_path)


def test_what_may_be_edited_is_heeded_and_what_may_not_is_named(tmp_path):
    build().save_pretrained(tmp_path)
    config = json.loads((tmp_path / CONFIG_FILE).read_text())
    edited = config | {"labels": ["wrath", "neutral", "sadness"], "audio": config["audio"] | {"max_seconds": 3.0}}
    edited["encoder"] = config["encoder"] | {"name": "org/moved"}
    (tmp_path / CONFIG_FILE).write_text(json.dumps(edited))
    again = EmotionModel.from_pretrained(tmp_path)
    assert (again.labels[0], again.audio.max_seconds, again.encoder_name) == ("wrath", 3.0, "org/moved")
    edited["encoder"]["config"] = config["encoder"]["config"] | {"normalise": False}  # another sound, the same shapes
    (tmp_path / CONFIG_FILE).write_text(json.dumps(edited))
    with pytest.raises(CheckpointError, match=r"config.json: its encoder was changed after the model was saved"):
        EmotionModel.from_pretrained(tmp_path)


class Marker:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", [WEIGHTS_FILE, CONFIG_FILE, "pytorch_model.bin", "adapter_model.bin"])
@pytest.mark.parametrize("zipped", [False, True])
def test_no_pickle_is_ever_run(name, zipped, tmp_path):
    build().save_pretrained(tmp_path / "model")
    bait, path = Marker(tmp_path / "ran"), tmp_path / "model" / name
    if zipped:
        torch.save(bait, path)
    else:
        path.write_bytes(pickle.dumps(bait))
    try:
        EmotionModel.from_pretrained(tmp_path / "model")
    except CheckpointError:
        assert name in (WEIGHTS_FILE, CONFIG_FILE)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE])
def test_what_stands_in_a_file_s_place_is_told(name, tmp_path):
    build().save_pretrained(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(CheckpointError, match=f"{name} missing"):
        EmotionModel.from_pretrained(tmp_path)
    (tmp_path / name).rmdir()
    (tmp_path / name).symlink_to(tmp_path / name)
    with pytest.raises(CheckpointError, match=f"{name} missing"):
        EmotionModel.from_pretrained(tmp_path)


def test_a_file_instead_of_a_folder_is_told_on_both_ways(tmp_path):
    (tmp_path / "model").write_text("a file")
    with pytest.raises(CheckpointError, match="a file, and no folder"):
        EmotionModel.from_pretrained(tmp_path / "model")
    with pytest.raises(SerTlError, match="is a file: a model is a folder"):
        build().save_pretrained(tmp_path / "model")
