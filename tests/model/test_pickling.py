"""Models travel to other processes as they are: by pickle, torch.save and spawned workers, and by deepcopy."""

import copy
import io
import multiprocessing
import pickle
import sys
from multiprocessing import resource_tracker

import joblib
import numpy as np
import pytest
import torch

from ser_tl.encoders import checkpoint_layers
from ser_tl.model import EmotionModel, KnownSpeakers, ModelConfig
from ser_tl.transfer import Lora, merge_adapter
from tests.combinations import with_default
from tests.encoders.tiny import KINDS, REPRESENTATIVES, clip
from tests.forked import forked_python
from tests.test_model import LABELS, build

pytestmark = pytest.mark.slow

CLIP = clip(8000).numpy()


def through_torch(model):
    file = io.BytesIO()
    torch.save(model, file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=False)


def through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    return joblib.load(io.BytesIO(file.getvalue()))


WAYS = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "oldest pickle": lambda model: pickle.loads(pickle.dumps(model, protocol=2)),
    "torch.save": through_torch,
    "joblib": through_joblib,
    "deepcopy": copy.deepcopy,
    "pickle of a copy": lambda model: pickle.loads(pickle.dumps(copy.deepcopy(model))),
    "twice": lambda model: pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(model)))),
}


def predict_there(model):
    """In a spawned process."""
    torch.set_num_threads(1)
    return model.predict(CLIP).probabilities


@pytest.mark.parametrize("name", with_default(KINDS, REPRESENTATIVES))
def test_every_encoder_s_model_can_be_pickled(name):
    model = EmotionModel(KINDS[name].make(0), LABELS, config=ModelConfig(hidden=8)).eval()
    again = WAYS["pickle"](model)
    assert again.predict(CLIP) == model.predict(CLIP)


@pytest.mark.parametrize("way", list(WAYS))
def test_all_of_a_model_comes_along_on_every_way(way):
    model = build()
    model.known_speakers = ["Ann Lee"]
    model.encoder.requires_grad_(False)
    again = WAYS[way](model.train())
    assert again.training
    assert again.known_speakers == KnownSpeakers.from_names(["Ann Lee"])
    assert again.description == model.description
    assert [one.requires_grad for one in again.parameters()] == [one.requires_grad for one in model.parameters()]
    before, after = model.state_dict(), again.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())
    with torch.no_grad():
        next(again.encoder.parameters()).add_(1.0)
    assert torch.equal(next(model.encoder.parameters()), before[next(iter(dict(model.named_parameters())))])
    again.load_state_dict(before)
    assert again.predict(CLIP) == model.predict(CLIP)


@pytest.mark.parametrize("name", ["wav2vec2", "wavlm", "whisper", "fused"])
def test_adapters_come_along_and_can_be_merged_there(name):
    model = EmotionModel(KINDS[name].make(0), LABELS, config=ModelConfig(hidden=8))
    Lora().prepare(model)
    checkpoint_layers(model.encoder)
    again = WAYS["pickle"](model.eval())
    assert again.predict(CLIP) == model.predict(CLIP)
    merged = np.array(list(merge_adapter(again).predict(CLIP).probabilities.values()))
    np.testing.assert_allclose(merged, list(model.predict(CLIP).probabilities.values()), atol=1e-5)


def test_what_has_travelled_trains_and_is_saved_like_any_other(tmp_path):
    model = WAYS["pickle"](build().train())
    waveform = clip(8000)[None]
    states = model.encoder(waveform, torch.tensor([8000]), [1]).states
    states.square().sum().backward()
    positional = [one.grad for key, one in model.named_parameters() if "pos_conv_embed" in key and one.requires_grad]
    assert positional
    assert all(grad is not None and grad.any() for grad in positional)
    model.eval().save_pretrained(tmp_path)
    assert EmotionModel.from_pretrained(tmp_path).predict(CLIP) == model.predict(CLIP)


@pytest.fixture
def spawning():
    """What `multiprocessing` spawns is forked."""
    resource_tracker.ensure_running()  # ends with this process; as a fork it would be ended before
    multiprocessing.set_executable(forked_python())
    yield
    multiprocessing.set_executable(sys.executable)


def test_a_spawned_process_takes_a_model(spawning):
    model = build()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        (there,) = pool.map(predict_there, [model])
    assert there == pytest.approx(model.predict(CLIP).probabilities, abs=1e-6)
