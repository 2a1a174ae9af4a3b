"""Quantisation-aware training: the rounding by hand, what it leaves behind, and the export that answers as it did."""

import copy
import json

import numpy as np
import pytest
import torch
from torch import nn

from ser_tl.compress.pruning import cut_channels
from ser_tl.errors import CheckpointError, ConfigError, ExportError
from ser_tl.export import export_model
from ser_tl.inference import Predictor
from ser_tl.model import EmotionModel
from ser_tl.modules.fake_quantization import (
    InputRange,
    add_fake_quantization,
    quantized_layers,
    remove_fake_quantization,
    round_weight,
    simulate_int8,
)
from ser_tl.training import Trainer
from ser_tl.training.parts import build_parts
from ser_tl.training.parts.quantization import QuantizationAware
from ser_tl.transfer import Frozen, Full, Lora, Partial
from tests.combinations import with_default
from tests.encoders.tiny import KINDS, REPRESENTATIVES, clip
from tests.training.samples import (
    BRIEF,
    interrupted,
    split_tones,
    tiny_model,
    tone_corpus,
    tone_split,
    train_config,
    untimed,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return tone_split(tmp_path_factory.mktemp("tones"), takes=1)


def fit(split, strategy=None, model=None, folder=None, *, resume=False, **changes):
    config = train_config(**(BRIEF | {"cache": False} | changes))
    trainer = Trainer(model or tiny_model(), strategy or Full(), config, folder, parts=[QuantizationAware()])
    return trainer, trainer.fit(split.train, split.dev, resume=resume)


def test_a_weight_has_64_steps_on_each_side_and_its_own_gradient():
    weight = torch.randn(3, 4, 5, generator=torch.manual_seed(0), requires_grad=True)
    rounded = round_weight(weight)
    for row, given in zip(rounded.detach(), weight.detach(), strict=True):
        step = float(given.abs().max()) / 64
        steps = row / step
        torch.testing.assert_close(steps, steps.round(), atol=1e-4, rtol=0)
        assert float((row - given).abs().max()) <= step / 2 + 1e-6
    rounded.sum().backward()
    assert weight.grad.eq(1.0).all()


def test_an_input_has_256_steps_of_a_range_that_moves_and_no_gradient_beyond_it():
    limits = InputRange(momentum=0.5).train()
    limits(torch.tensor([-1.0, 3.0]))
    assert (float(limits.low), float(limits.high)) == (-1.0, 3.0)
    limits(torch.tensor([2.0, 5.0]))
    assert (float(limits.low), float(limits.high)) == (-0.5, 4.0)  # zero is always in it
    limits.eval()
    values = torch.tensor([-9.0, 0.0, 1.2345, 9.0], requires_grad=True)
    rounded = limits(values)
    assert float(limits.high) == 4.0
    step = 4.5 / 255
    torch.testing.assert_close(rounded.detach(), torch.tensor([-28 * step, 0.0, 70 * step, 227 * step]))
    rounded.sum().backward()
    assert values.grad.tolist() == [0.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "kind", with_default([kind for kind in KINDS if kind not in ("prosody", "egemaps")], REPRESENTATIVES)
)
def test_every_encoder_s_layers_round_and_go_back_to_what_they_were(kind):
    torch.manual_seed(0)
    model = EmotionModel(KINDS[kind].make(0), ["anger", "neutral"]).eval()
    samples = [clip(9000, seed=seed).numpy() for seed in range(3)]
    names, before = list(model.state_dict()), model.predict(samples)
    layers = dict(quantized_layers(model))
    assert not any(name.startswith(("head.", "dimension_head.")) for name in layers)
    add_fake_quantization(model)
    during = copy.deepcopy(model).predict(samples)
    model.predict(samples)
    ranges = remove_fake_quantization(model)
    assert set(ranges) == {name for name in layers if ".dimension" not in name}
    assert list(model.state_dict()) == names
    after = model.predict(samples)
    differences = []
    for one, rounded, other in zip(before, during, after, strict=True):
        assert list(one.probabilities.values()) == list(other.probabilities.values())
        differences.append(abs(one.probabilities["anger"] - rounded.probabilities["anger"]))
    inside = [name for name in layers if name.startswith("encoder.")]  # a new pooling weighs all frames alike anyway
    assert (max(differences) > 0) == bool(inside)
    assert max(differences) < 0.3
    assert not any("weight" in vars(layer) for layer in layers.values())


def test_a_rounded_weight_does_not_stay_after_an_error():
    layer = nn.Sequential(nn.Linear(4, 4))
    add_fake_quantization(layer)
    with pytest.raises(RuntimeError):
        layer(torch.zeros(2, 3))
    assert "weight" not in vars(layer[0])


def test_a_training_learns_with_rounded_layers_and_leaves_a_plain_model_with_ranges(split, tmp_path):
    trainer, history = fit(split, epochs=4)
    model = trainer.model
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    layers = dict(quantized_layers(model))
    assert set(model.activation_ranges) == set(layers)
    assert all(low <= 0.0 < high for low, high in model.activation_ranges.values())
    assert not any(isinstance(module, InputRange) for module in model.modules())
    assert trainer.facts["quantization"] == {"layers": len(layers), "weight_bits": 7, "activation_bits": 8}
    assert "epochs were chosen with weights of 7" in " ".join(trainer.notes)
    model.save_pretrained(tmp_path / "model")
    assert EmotionModel.from_pretrained(tmp_path / "model").activation_ranges == model.activation_ranges
    assert cut_channels(model, [torch.arange(16)] * 2).activation_ranges == {}
    plain = Trainer(model, Frozen(), train_config(epochs=1))
    plain.fit(split.train, split.dev)
    assert model.activation_ranges == {}


@pytest.mark.exhaustive  # an export and its int8 weights: as long as all the others here together
def test_the_export_answers_as_the_rounded_model_does(tmp_path):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason="needs the extra: pip install 'ser_tl[export]'")
    model, corpus = tiny_model(depth=1, pooling="mean"), tone_corpus(tmp_path / "tones")
    fit(split_tones(corpus), model=model, epochs=6, batch_seconds=4.0)
    manifest = export_model(model, tmp_path / "out", quantize="int8", calibrate=corpus)
    assert (manifest.quantization["way"], manifest.quantization["rejected"]) == ("trained", [])
    clips = [row["audio"]["path"] for row in corpus]
    found = Predictor(tmp_path / "out").predict(clips)
    with simulate_int8(model, model.activation_ranges):
        expected = model.predict(clips)
    plain = model.predict(clips)
    same = np.mean([one.label == other.label for one, other in zip(found, expected, strict=True)])
    assert same >= 0.97

    def distance(others):
        rows = [[one.probabilities["anger"] for one in answers] for answers in (found, others)]
        return np.abs(np.subtract(*rows)).mean()

    assert distance(expected) < distance(plain)  # it is the rounded model's answer, and not the float one's


@pytest.mark.exhaustive
def test_it_is_resumed_with_its_ranges(split, tmp_path):
    whole, history = fit(split, folder=tmp_path / "whole")
    with pytest.raises(InterruptedError):
        fit(split, interrupted(Full(), 8), folder=tmp_path / "stopped")
    resumed, again = fit(split, folder=tmp_path / "stopped", resume=True)
    assert untimed(again) == untimed(history)
    assert resumed.model.activation_ranges == whole.model.activation_ranges


@pytest.mark.parametrize("ranges", [{"head": [1]}, {"head": ["a", "b"]}, {"head": [1.0, 2.0]}, ["head"]], ids=str)
def test_ranges_that_are_none_are_refused_when_a_model_is_loaded(ranges, tmp_path):
    model = tiny_model()
    model.save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"activation_ranges": ranges}))
    with pytest.raises(CheckpointError, match=r"activation_ranges is .*expected two numbers a layer"):
        EmotionModel.from_pretrained(tmp_path / "model")


def test_ranges_of_another_model_are_refused_by_the_export():
    from ser_tl.export.graph import Graph
    from ser_tl.export.quantize import input_ranges

    model = tiny_model()
    model.activation_ranges = {"encoder.no_such_layer": (-1.0, 1.0)}
    with pytest.raises(ExportError, match=r"name encoder\.no_such_layer, which is no layer of it"):
        input_ranges(Graph(model))


@pytest.mark.exhaustive
def test_frozen_layers_round_too(split):
    trainer, _ = fit(split, Frozen(), epochs=1)
    assert any(name.startswith("encoder.") for name in trainer.model.activation_ranges)


def test_what_it_does_not_go_with_is_refused(split):
    with pytest.raises(ConfigError, match=r"feature cache holds states of layers that aren't rounded: train\.cache"):
        Trainer(tiny_model(), Frozen(), train_config(), parts=[QuantizationAware()])
    with pytest.raises(ConfigError, match=r"no epoch's model can be published"):
        Trainer(
            tiny_model(),
            Full(),
            train_config(cache=False),
            parts=[QuantizationAware()],
            on_best=[lambda model, record: None],
        )
    with pytest.raises(ConfigError, match=r"take `strategy` partial, full or frozen"):
        fit(split, Lora(rank=2))
    with pytest.raises(ConfigError, match="momentum is 0"):
        build_parts({"quantization": {"momentum": 0}})
    assert build_parts({"quantization": None}) == [QuantizationAware()]
    Trainer(tiny_model(), Partial(blocks=1), train_config(cache=False), parts=[QuantizationAware()])
