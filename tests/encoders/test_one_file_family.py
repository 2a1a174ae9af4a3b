"""A family of encoders is one file with one registration: training, adapters, cache, files and cards follow from it."""

import json

import pytest
import torch

from ser_tl.encoders import FAMILIES, load_encoder
from ser_tl.export import export_model
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.plugins import import_plugin
from ser_tl.training import Trainer
from ser_tl.transfer import STRATEGIES, Lora, load_adapter, save_adapter
from tests.combinations import with_default
from tests.training.samples import TONES, tone_split, train_config

pytestmark = pytest.mark.slow

SOURCE = '''
"""Envelopes of four sounds, mixed by layers that are called what no other family calls theirs."""

import torch
from torch import nn

from ser_tl.encoders import FAMILIES, AdapterTargets, Block, Encoder
from ser_tl.encoders.base import frames_mask, zero_padding

HOP = 160


@FAMILIES.register("tiny-comb")
class TinyComb(Encoder):
    family = "tiny-comb"
    dim, num_states, frame_rate = 16, 3, 100.0
    adapter_targets = AdapterTargets(("blend",), scaled=("blend",))
    weight_files = (".comb",)

    def __init__(self):
        super().__init__()
        self.front = nn.Conv1d(1, self.dim, HOP, HOP)
        self.layers = nn.ModuleList(nn.ModuleDict({"blend": nn.Linear(self.dim, self.dim)}) for _ in range(2))

    def embed_frames(self, waveform, lengths, on_mel=None):
        frames = self.front(zero_padding(waveform, lengths)[:, None]).transpose(1, 2).square().add(1e-4).log()
        return frames, frames_mask((lengths // HOP).clamp(1, frames.shape[1]), frames.shape[1])

    def iter_layers(self, state, mask, layer):
        for block in self.layers[layer:]:
            state = state + torch.tanh(block["blend"](state))
            yield state

    def blocks(self):
        front = Block("front", nn.ModuleList([self.front]))
        return [front, *(Block(f"layer {n}", nn.ModuleList([own])) for n, own in enumerate(self.layers, 1))]

    @property
    def config(self):
        return {}

    @classmethod
    def from_config(cls, config):
        return cls()

    @classmethod
    def from_pretrained(cls, source):
        torch.manual_seed(0)
        return cls().eval()
'''


@pytest.fixture(scope="module", autouse=True)
def family(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "tiny_comb.py"
    path.write_text(SOURCE)
    import_plugin(str(path))
    yield FAMILIES["tiny-comb"]
    del FAMILIES._entries["tiny-comb"], FAMILIES._order["tiny-comb"]


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return tone_split(tmp_path_factory.mktemp("tones"))


def build() -> EmotionModel:
    torch.manual_seed(1)
    encoder = load_encoder("weights.comb")  # a file of weights is known by the family's own suffix
    return EmotionModel(encoder, list(TONES), encoder_name="weights.comb", config=ModelConfig(hidden=8))


@pytest.mark.parametrize("strategy", with_default(STRATEGIES, ["frozen", "lora"]))
def test_every_strategy_trains_it(strategy, split):
    trainer = Trainer(build(), STRATEGIES[strategy](), train_config(epochs=1))
    trainer.fit(split.train, split.dev)
    report = trainer.evaluate(split.test)
    assert report.facts["encoder"] == "weights.comb"


def test_adapters_go_where_the_family_says_and_are_saved_apart(split, tmp_path):
    trainer = Trainer(build(), Lora(rank=2), train_config(epochs=1))
    trainer.fit(split.train, split.dev)
    save_adapter(trainer.model, tmp_path / "adapter")
    saved = json.loads((tmp_path / "adapter" / "adapter.json").read_text())
    assert saved["adapters"]["modules"] == ["layers.0.blend", "layers.1.blend"]
    again = load_adapter(tmp_path / "adapter", build().encoder)
    clip, lengths = torch.randn(1, 4000), torch.tensor([4000])
    assert torch.allclose(again(clip, lengths).logits, trainer.model.eval()(clip, lengths).logits, atol=1e-6)


def test_its_frozen_layers_are_cached(split, monkeypatch, tmp_path):
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path))
    trainer = Trainer(build(), STRATEGIES["partial"](blocks=1), train_config(epochs=1))
    trainer.fit(split.train, split.dev)
    facts = [json.loads(path.read_text()) for path in tmp_path.rglob("*.json")]
    assert any(one.get("family") == "tiny-comb" for one in facts if isinstance(one, dict))


def test_its_model_is_saved_and_exported_with_its_name(tmp_path):
    model = build().eval()
    model.save_pretrained(tmp_path / "model")
    again = EmotionModel.from_pretrained(tmp_path / "model")
    assert again.encoder.family == "tiny-comb"
    manifest = export_model(again, tmp_path / "exported", "torchscript")
    assert manifest.encoder == {"name": "weights.comb", "family": "tiny-comb", "pooling": again.pooling_name}
