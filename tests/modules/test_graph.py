"""A recorded graph holds for any batch and any length, and gives the numbers of the module that it was recorded from.

Each family of encoders with the default head, and each network, pooling and head on a cheap encoder.
"""

from dataclasses import dataclass, field

import pytest
import torch
from torch import nn
from torch.nn import functional

from ser_tl.data.audio import AudioConfig
from ser_tl.encoders import FAMILIES, Fused, load_encoder
from ser_tl.errors import EncoderError
from ser_tl.model import EmotionModel
from ser_tl.model.model_config import ModelConfig
from ser_tl.modules import graph
from ser_tl.modules.graph import HOP, SHORTEST, is_exporting, max_pool, record, run_lstm
from ser_tl.modules.networks import NETWORKS
from ser_tl.modules.pooling import POOLINGS
from tests.combinations import with_default
from tests.encoders.tiny import FEW, checkpoint, clip, padded, soundnet, tiny, vggish, wrap

pytestmark = pytest.mark.slow

LENGTHS = [
    [1],
    [SHORTEST],
    [SHORTEST + 1],
    [16_000],
    [6501, 399],
    [48_000, 320, 16_001],
    [30_001, 5, 9000, SHORTEST, 17_000],
]
"""Samples of the clips of each batch; the graph is recorded with two clips of a second."""


def _fused():
    return Fused([vggish(output="frames"), load_encoder("mfcc")], [[0], [0]]).eval()


# Each family once, and wav2vec 2.0 and HuBERT with every norm that their convolutions can have. MFCC is that within the
# fused encoder.
TRANSFORMERS = ["wav2vec2-group", "hubert-batch", "wavlm", "unispeech-sat", "data2vec-audio"]
MAKERS = {name: lambda name=name: tiny(name, **FEW) for name in TRANSFORMERS}
MAKERS["wav2vec2"] = lambda: tiny("wav2vec2", num_hidden_layers=1)
MAKERS |= {
    "whisper-feed-forward": lambda: wrap("whisper", checkpoint("whisper", encoder_layers=2), feed_forward=True),
    "moonshine": lambda: tiny("moonshine", encoder_num_hidden_layers=1),
    "soundnet": lambda: soundnet(["conv2", "conv5", "conv7"]),
    "vggish": vggish,
    "vggish-frames": lambda: vggish(output="frames"),
    "fused": _fused,
}
NOT_EXPORTABLE = {"prosody", "egemaps"}

# Recorded by default: what is unlike the others, and not exported by tests/export in any case.
DEFAULT = {"wavlm", "plain"}


@dataclass
class Part:
    """What stands on the log-mel spectrum in place of the default."""

    pooling: str = "attentive-stats"
    config: dict = field(default_factory=dict)
    dimensions: tuple = ()
    audio: AudioConfig = field(default_factory=AudioConfig)


PARTS = {
    "crnn": Part("last", {"network": "crnn"}),
    "bilstm": Part("attention", {"network": "bilstm"}),
    "transformer": Part("max", {"network": "transformer", "head": "linear"}),
    "conformer": Part("stats", {"network": "conformer", "head": "discriminant"}),
    "plain": Part("mean", {"projection": 8, "hidden": 0, "standardise": False}, ("arousal", "valence")),
    "attentive": Part(),
    "gated": Part("stats", audio=AudioConfig(normalise="rms", gate="energy")),
}


class Tensors(nn.Module):
    """A model that takes tensors and gives tensors."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, waveform, lengths):
        output = self.model(waveform, lengths)
        given = (output.embedding, output.logits, output.dimensions, output.speech)
        return tuple(tensor for tensor in given if tensor is not None)


def batches():
    """Clips as the caller of a graph gives them: zeros up to a multiple of 320 samples."""
    for lengths in LENGTHS:
        waveform, counts = padded([clip(samples, seed=seed) for seed, samples in enumerate(lengths, 1)])
        missing = max(SHORTEST - waveform.shape[1], -waveform.shape[1] % HOP)
        yield functional.pad(waveform, (0, missing)), counts


def check(encoder, part=None):
    torch.manual_seed(0)
    part = part or Part()
    config = ModelConfig(**part.config)
    model = EmotionModel(
        encoder,
        ["anger", "joy", "neutral"],
        pooling=part.pooling,
        config=config,
        audio=part.audio,
        dimensions=part.dimensions,
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))  # no weight at zero
    module = Tensors(model.eval())
    graph = record(module).module()
    with torch.no_grad():
        for waveform, lengths in batches():
            made = graph(waveform, lengths)
            torch.testing.assert_close(made, module(waveform, lengths), atol=1e-5, rtol=1e-5)
            for row, samples in enumerate(lengths.tolist()):
                alone = module(waveform[row : row + 1, :samples], lengths[row : row + 1])
                torch.testing.assert_close([one[row] for one in made], [one[0] for one in alone], atol=2e-5, rtol=2e-5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", with_default(MAKERS, DEFAULT))
def test_each_family_is_recorded_for_any_batch_and_length(name):
    check(MAKERS[name]())


@pytest.mark.parametrize("name", with_default(PARTS, DEFAULT))
def test_each_network_pooling_and_head_is_recorded_for_any_batch_and_length(name):
    check(load_encoder("logmel-40").eval(), PARTS[name])


def test_nothing_registered_is_left_out():
    assert set(MAKERS) | set(PARTS) > DEFAULT
    made = [maker() for maker in MAKERS.values()]
    families = {encoder.family for encoder in (*made, *_fused().encoders)} | {"logmel"}
    assert families | NOT_EXPORTABLE == set(FAMILIES)
    assert {part.pooling for part in PARTS.values()} == set(POOLINGS)
    assert {part.config.get("network", "none") for part in PARTS.values()} == {"none", *NETWORKS}
    assert {part.config.get("head", "network") for part in PARTS.values()} == {"network", "linear", "discriminant"}


@pytest.mark.parametrize("name", ["prosody", "logmel-40+prosody"])
def test_what_no_graph_can_hold_is_refused_with_the_reason_and_the_way_out(name):
    encoder = load_encoder(name).eval()
    message = r"can't be exported: .*the pitch of each frame depends on the whole path.*train one on another encoder"
    with pytest.raises(EncoderError, match=message):
        encoder.check_exportable()
    with pytest.raises(EncoderError, match=r"encoder (prosody|fused) can't be exported"):
        record(Tensors(EmotionModel(encoder, ["anger", "joy"]).eval()))
    assert FAMILIES["egemaps"].why_not_exportable
    load_encoder("logmel-40").check_exportable()


class Recorded(nn.Module):
    """A function of frames as a module of waveform and lengths."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.lstm = nn.LSTM(4, 3, batch_first=True)

    def forward(self, waveform, lengths):
        frames = waveform[:, : -(HOP // 2)].unfold(1, HOP, HOP)[..., :4]
        return self.function(self, frames), lengths + is_exporting()


@pytest.mark.parametrize(
    "function",
    [
        lambda _, frames: max_pool(frames.mT, 3),
        lambda _, frames: max_pool(frames.mT, 4, ceil_mode=True),
        lambda module, frames: run_lstm(module.lstm, frames),
    ],
    ids=["pool", "pool-up", "lstm"],
)
def test_parts_that_torch_would_fix_to_one_length_hold_for_all(function):
    module = Recorded(function).eval()
    program = record(module)
    operations = [str(node.target) for node in program.graph.nodes]
    for frames in (7, 9, 50, 81):
        waveform, lengths = torch.randn(3, HOP * (frames + 1)), torch.tensor([3, 4, 5])
        made, count = program.module()(waveform, lengths)
        expected, plain = module(waveform, lengths)
        torch.testing.assert_close(made, expected)
        assert (count - plain == 1).all()
    assert not any("mkldnn" in name for name in operations)
    assert ("aten.lstm.input" in operations) == (function.__code__.co_names[0] == "run_lstm")


@pytest.mark.parametrize("count", [1, 159, 160, 161, 1000])
def test_positions_are_the_same_counted_in_two_steps(count, monkeypatch):
    lengths = torch.tensor([0, 1, 160, 161, 640, 1000])
    shifted, mask = graph.shift(lengths, count), graph.length_mask(lengths, count)
    assert mask.sum(dim=1).tolist() == lengths.clamp_max(count).tolist()
    monkeypatch.setattr(graph, "is_exporting", lambda: True)
    assert graph.is_fixed(count)
    assert torch.equal(graph.shift(lengths, count), shifted)
    assert torch.equal(graph.length_mask(lengths, count), mask)


def test_groups_of_one_length_are_those_of_any(monkeypatch):
    monkeypatch.setattr(graph, "is_exporting", lambda: True)
    frames = torch.randn(2, 3, 23)
    for ceil_mode in (False, True):
        expected = torch.nn.functional.max_pool1d(frames, 4, ceil_mode=ceil_mode)
        assert torch.equal(graph.max_pool(frames, 4, ceil_mode=ceil_mode), expected)
