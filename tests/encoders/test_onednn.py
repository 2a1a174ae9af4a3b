"""Products by oneDNN: the numbers and gradients of torch's linear layers, whatever may move."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional

from ser_tl.encoders import load_encoder, onednn
from ser_tl.encoders.onednn import OneDnnLinear, linear, use_onednn
from tests.encoders.test_fast_conv import gradients
from tests.encoders.tiny import tiny

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@pytest.fixture(autouse=True)
def quicker(monkeypatch):
    monkeypatch.setattr(onednn, "is_onednn_faster", lambda: True)


@pytest.mark.parametrize("shape", [(3, 40, 24), (60, 24), (2, 1, 24), (0, 40, 24), (1, 17, 24)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_numbers_and_gradients(shape, bias):
    torch.manual_seed(0)
    layer = nn.Linear(24, 33, bias=bias)
    frames = torch.randn(shape, requires_grad=True)
    plain, made = layer(frames), linear(frames, layer.weight, layer.bias)
    torch.testing.assert_close(made, plain)
    for one, other in zip(
        gradients(made, frames, *layer.parameters()), gradients(plain, frames, *layer.parameters()), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_frames_that_are_views():
    frames, weight = torch.randn(2, 24, 50).transpose(1, 2), torch.randn(40, 33).T[:, :24]
    torch.testing.assert_close(linear(frames, weight), functional.linear(frames, weight), rtol=1e-5, atol=1e-5)


def test_oneDNN_is_what_multiplies(monkeypatch):  # noqa: N802 - its name
    def refuse(*_):
        raise AssertionError("torch's own product")

    layer = nn.Sequential(nn.Linear(24, 33))
    use_onednn(layer)
    monkeypatch.setattr(functional, "linear", refuse)
    assert layer(torch.randn(2, 20, 24)).shape == (2, 20, 33)
    with torch.backends.mkldnn.flags(enabled=False), pytest.raises(AssertionError, match="torch's own"):
        layer(torch.randn(2, 20, 24))
    with torch.autocast("cpu"), pytest.raises(AssertionError, match="torch's own"):
        layer(torch.randn(2, 20, 24))
    with pytest.raises(AssertionError, match="torch's own"):
        layer(torch.randn(2, 24))  # a head's few rows


def test_frozen_weights_have_no_gradient_made(monkeypatch):
    made = []
    multiplied = onednn._multiply
    monkeypatch.setattr(onednn, "_multiply", lambda *given: made.append(0) or multiplied(*given))
    frames, weight = torch.randn(2, 20, 24, requires_grad=True), torch.randn(33, 24)
    linear(frames, weight).sum().backward()
    assert len(made) == 2
    assert frames.grad is not None


def test_only_plain_layers_are_replaced_and_their_parameters_stay():
    class Own(nn.Linear):
        pass

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 5), Own(5, 6), nn.ReLU())
    before, parameters = deepcopy(model.state_dict()), [id(one) for one in model.parameters()]
    use_onednn(model)
    assert [type(part) for part in model] == [OneDnnLinear, Own, nn.ReLU]
    assert isinstance(model[0], nn.Linear)
    assert list(model.state_dict()) == list(before)
    assert [id(one) for one in model.parameters()] == parameters
    again = deepcopy(model)
    assert type(again[0]) is OneDnnLinear


def test_other_machines_keep_torchs_own(monkeypatch):
    monkeypatch.setattr(onednn, "is_onednn_faster", lambda: False)
    model = nn.Sequential(nn.Linear(4, 5))
    use_onednn(model)
    assert type(model[0]) is nn.Linear


@pytest.mark.slow
def test_doubles_and_compiled_code_take_torchs_own():
    layer = OneDnnLinear(24, 33)
    frames = torch.randn(2, 20, 24)
    compiled = torch.compile(layer, backend="eager")
    torch.testing.assert_close(compiled(frames), functional.linear(frames, layer.weight, layer.bias))
    layer.double()
    assert layer(frames.double()).dtype == torch.float64


def test_a_layer_in_two_places_stays_one_and_one_with_hooks_keeps_them():
    shared, hooked = nn.Linear(4, 4), nn.Linear(4, 4)
    seen = []
    hooked.register_forward_hook(lambda *_: seen.append(1))
    model = nn.ModuleDict({"first": shared, "second": nn.Sequential(shared), "hooked": hooked}).eval()
    use_onednn(model)
    assert model["first"] is model["second"][0]
    assert type(model["first"]) is OneDnnLinear
    assert not model["first"].training
    model["hooked"](torch.randn(2, 4))
    assert seen == [1]


def test_encoders_have_these_layers_when_they_are_loaded_and_not_when_they_are_constructed():
    encoder = load_encoder("wav2vec2-mini")
    assert any(type(part) is OneDnnLinear for part in encoder.modules())
    assert type(encoder)(encoder.model, normalise=True).config == encoder.config
    assert not any(type(part) is OneDnnLinear for part in tiny("wav2vec2").modules())
