"""Tiny models of every family that adapters go into, a batch for them, and a few steps of training."""

import pytest
import torch
from torch import Tensor

from ser_tl.data.batching import Batch
from ser_tl.encoders import Encoder, Fused, SoundNet, VGGish
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.modules.losses import cross_entropy
from ser_tl.transfer import IA3, LearningRates, Lora, Strategy
from tests.combinations import with_default
from tests.encoders.tiny import clip, padded, tiny

LABELS = ["anger", "neutral", "sadness"]
SINGLE = ["wav2vec2", "wav2vec2-group", "hubert", "wavlm", "wavlm-group", "unispeech-sat", "data2vec-audio"]
SINGLE += ["whisper", "moonshine"]
EACH_SINGLE = with_default(SINGLE, ["wav2vec2", "wavlm-group", "whisper", "moonshine"])
TRANSFORMERS = [*SINGLE, "fused"]
CONVOLUTIONS = ["soundnet", "vggish"]
RATES = LearningRates(head=1e-2, encoder=1e-3)
FEED_FORWARD = {"whisper": ["fc1", "fc2"], "moonshine": ["fc1", "fc2"]}  # the others call theirs alike


def strategies(name: str, **options) -> dict[str, Strategy]:
    """One of each kind that the family takes; of the options IA3 gets those that it has."""
    made: dict[str, Strategy] = {
        "lora": Lora(**options),
        "dora": Lora(dora=True, rslora=True, **options),
    }
    own = {option: value for option, value in options.items() if option not in ("rank", "alpha")}
    return made if name in CONVOLUTIONS else made | {"ia3": IA3(**own)}


SAMPLED = {"wav2vec2": "lora ia3", "wavlm": "lora", "whisper": "dora", "fused": "ia3", "soundnet": "dora"}
SAMPLED |= {"vggish": "lora"}
"""Families, one of each layout, and the kinds of adapters that are tried of them unless all are asked for."""


def _list_pairs() -> list:
    return [
        pytest.param(
            name,
            kind,
            marks=() if kind in SAMPLED.get(name, "").split() else pytest.mark.exhaustive,
            id=f"{name}-{kind}",
        )
        for name in [*TRANSFORMERS, *CONVOLUTIONS]
        for kind in strategies(name)
    ]


EVERY = _list_pairs()
"""Family and kind of adapter."""


def every_layer(name: str) -> list[str]:
    """The names of all linear layers in a transformer layer."""
    output = "o_proj" if name == "moonshine" else "out_proj"
    return ["q_proj", "k_proj", "v_proj", output, *FEED_FORWARD.get(name, ["intermediate_dense", "output_dense"])]


def encoder(name: str, seed: int = 0) -> Encoder:
    """A tiny encoder of the family."""
    torch.manual_seed(seed)
    if name == "fused":
        return Fused([tiny("whisper", seed=seed), tiny("wavlm", seed=seed)], [[1, 3], [0, 2]]).eval()
    if name == "soundnet":
        return SoundNet().eval()
    if name == "vggish":
        return VGGish(output="frames", channels=(4, 4, 8, 8)).eval()
    return tiny(name, seed=seed)


def build(name: str, *, pooling: str = "attentive-stats", **options) -> EmotionModel:
    """A tiny model without dropout, its attention not at rest."""
    base = encoder(name)
    torch.manual_seed(2)
    config = ModelConfig(**({"hidden": 8, "projection": 6, "dropout": 0.0} | options))
    model = EmotionModel(base, LABELS, pooling=pooling, config=config)
    with torch.no_grad():
        for parameter in model.pooling.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))  # attention begins with weights of zero
    return model.eval()


def clips() -> tuple[Tensor, Tensor]:
    """Their waveform (B, N) and lengths (B,)."""
    return batch().waveform, batch().lengths


def batch() -> Batch:
    waveform, lengths = padded([clip(3000 + 700 * seed, seed=seed) for seed in range(6)])
    return Batch(waveform, lengths, torch.tensor([0, 1, 2, 0, 1, 2]), [""] * 6)


@torch.no_grad()
def logits(model: EmotionModel) -> Tensor:
    return model.eval()(*clips()).logits


def learn(model: EmotionModel, strategy: Strategy, steps: int = 2) -> EmotionModel:
    """Prepares the model and takes steps of AdamW, with weight decay; the last step's gradients stay."""
    strategy.prepare(model)
    optimizer = torch.optim.AdamW(strategy.param_groups(model, RATES), weight_decay=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        cross_entropy(model.train()(*clips()).logits, batch().labels).mean().backward()
        optimizer.step()
    return model


def stirred(model: EmotionModel, strategy: Strategy, seed: int = 0) -> EmotionModel:
    """A prepared model none of whose adapters, weights above the encoder or statistics is as it begins."""
    strategy.prepare(model)
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not name.startswith("encoder.") or "lora_" in name or "ia3_" in name:
                tensor.add_(0.2 * torch.rand_like(tensor))
    return model.eval()
