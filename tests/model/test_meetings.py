"""Readers and writers that meet in one folder: each reader gets one model or the other, whole."""

import os
import subprocess
import threading
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import ser_tl as ser
from ser_tl.errors import CheckpointError
from ser_tl.hub import pull_folder, push_folder
from ser_tl.model import CONFIG_FILE, WEIGHTS_FILE, EmotionModel, KnownSpeakers, serialization
from ser_tl.model.modeling_ser_tl import SerTlConfig, SerTlForAudioClassification
from ser_tl.model.serialization import write_remote
from tests.encoders.tiny import clip
from tests.forked import forked_python
from tests.test_model import build
from tests.transfer.samples import build as build_plain
from tests.transfer.samples import encoder, stirred, strategies

pytestmark = pytest.mark.slow


def variant(number) -> EmotionModel:
    """Models of the same shapes, which differ in labels, speakers, sound and weights."""
    model = build()
    model.labels = [f"{label}_{number}" for label in model.labels]
    model.known_speakers = [f"speaker_{number}"]
    model.encoder.normalise = bool(number % 2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * number)
    return model


def identity(model) -> tuple:
    """All that tells one variant from another."""
    number = model.labels[0].rpartition("_")[2]
    assert model.labels == [f"{label}_{number}" for label in build().labels]
    assert model.known_speakers == KnownSpeakers.from_names([f"speaker_{number}"])
    return number, tuple(model.predict(clip(4000).numpy()).probabilities.values())


@pytest.fixture(scope="module")
def known():
    return {identity(variant(number)) for number in (1, 2)}


@pytest.fixture
def held(monkeypatch):
    """Saves without their second file, whose writing is put off until it is called for."""
    write, waiting = serialization.write_text, []
    monkeypatch.setattr(serialization, "write_text", lambda path, text: waiting.append(lambda: write(path, text)))
    return waiting


def test_a_reader_between_a_writer_s_two_files_gets_a_whole_model(tmp_path, known, held):
    variant(1).save_pretrained(tmp_path)
    held.pop()()
    variant(2).save_pretrained(tmp_path)
    assert identity(EmotionModel.from_pretrained(tmp_path)) in known
    held.pop()()
    assert identity(EmotionModel.from_pretrained(tmp_path))[0] == "2"


@pytest.mark.parametrize("last", [0, 1])
def test_two_writers_whose_files_come_in_any_order_leave_one_model(last, tmp_path, known, held):
    for number in (1, 2):
        variant(number).save_pretrained(tmp_path)
    held[1 - last]()
    held[last]()
    assert identity(EmotionModel.from_pretrained(tmp_path)) in known


def test_a_model_of_an_earlier_version_that_is_saved_over_is_not_mixed(tmp_path, known, held):
    from tests.model.test_damaged import as_before

    variant(1).save_pretrained(tmp_path)
    held.pop()()
    as_before(tmp_path)
    variant(2).save_pretrained(tmp_path)
    assert identity(EmotionModel.from_pretrained(tmp_path)) in known


def test_weights_copied_without_their_config_are_refused(tmp_path):
    variant(1).save_pretrained(tmp_path)
    other = build()
    with torch.no_grad():
        other.head.layers[0].bias.add_(1.0)
    from safetensors.torch import save_file

    save_file(other.state_dict(), tmp_path / WEIGHTS_FILE)  # another program's, which knows nothing of configs
    with pytest.raises(CheckpointError, match="not the weights that its config was saved with"):
        EmotionModel.from_pretrained(tmp_path)


def test_adapters_are_not_mixed_either(tmp_path, held):
    def adapted(number):
        model = stirred(build_plain("wav2vec2"), strategies("wav2vec2")["lora"])
        model.known_speakers = [f"speaker_{number}"]
        with torch.no_grad():
            model.mix.scores.fill_(number)
        return model

    ser.save_adapter(adapted(1), tmp_path)
    held.pop()()
    ser.save_adapter(adapted(2), tmp_path)
    found = ser.load_adapter(tmp_path, encoder("wav2vec2"))
    assert (found.mix.scores[0].item(), "speaker_2" in found.known_speakers) == (2.0, True)


def test_a_push_while_a_training_saves_is_a_whole_model(tmp_path, known, held):
    (tmp_path / "hub").mkdir()
    variant(1).save_pretrained(tmp_path / "model")
    held.pop()()
    variant(2).save_pretrained(tmp_path / "model")
    repo = f"file://{tmp_path}/hub/me/model"
    push_folder(tmp_path / "model", repo)
    assert identity(EmotionModel.from_pretrained(pull_folder(repo))) in known


def test_transformers_hears_the_labels_of_the_model_it_has(tmp_path, held):
    variant(1).save_pretrained(tmp_path)
    held.pop()()
    old = SerTlConfig.from_pretrained(tmp_path)
    variant(2).save_pretrained(tmp_path)
    model = SerTlForAudioClassification.from_pretrained(tmp_path, config=old)
    assert model.config.id2label[0] == "anger_2"
    assert model.recognise.labels[0] == "anger_2"


@pytest.mark.exhaustive
def test_many_meetings(tmp_path, known):
    models = [variant(number) for number in (1, 2)]
    models[0].save_pretrained(tmp_path)
    stop, found, errors = threading.Event(), [], []

    def write(model):
        while not stop.is_set():
            model.save_pretrained(tmp_path)

    def read():
        try:
            found.extend(identity(EmotionModel.from_pretrained(tmp_path)) for _ in range(12))
        except Exception as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(model,)) for model in models]
    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in writers + readers:
        thread.start()
    for thread in readers:
        thread.join()
    stop.set()
    for thread in writers:
        thread.join()
    assert errors == []
    assert set(found) <= known
    assert {path.name for path in tmp_path.iterdir()} == {CONFIG_FILE, WEIGHTS_FILE}
    assert identity(EmotionModel.from_pretrained(tmp_path)) in known


def test_a_writer_that_is_killed_leaves_the_model_that_was_there(tmp_path, known):
    variant(1).save_pretrained(tmp_path)
    program = (
        "import os, signal, sys; from ser_tl.model import serialization\n"
        "from tests.model.test_meetings import variant\n"
        "serialization.write_text = lambda path, text: os.kill(os.getpid(), signal.SIGKILL)\n"
        "variant(2).save_pretrained(sys.argv[1])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [forked_python(), "-c", program, tmp_path], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}
    )
    assert done.returncode == -9
    assert identity(EmotionModel.from_pretrained(tmp_path)) in known


def test_the_same_model_gives_the_same_bytes(tmp_path):
    for name in ("one", "two", "three", "four"):
        build().save_pretrained(tmp_path / name)
    for file in (CONFIG_FILE, WEIGHTS_FILE):
        assert len({(tmp_path / name / file).read_bytes() for name in ("one", "two", "three", "four")}) == 1


def test_other_programs_read_the_weights_file(tmp_path):
    build().save_pretrained(tmp_path)
    write_remote(tmp_path)
    with safe_open(tmp_path / WEIGHTS_FILE, framework="np") as file:
        assert file.metadata()["format"] == "pt"  # what transformers' own loaders ask for
        assert set(file.keys()) == set(build().state_dict())
