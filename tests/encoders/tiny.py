"""Tiny random encoders of every kind: thin, but with every part, kernel and stride of the real ones.

`KINDS` is what test_contract.py runs over: whoever adds an encoder family adds its kinds here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    Data2VecAudioConfig,
    Data2VecAudioModel,
    HubertConfig,
    HubertModel,
    MoonshineConfig,
    MoonshineModel,
    PreTrainedModel,
    UniSpeechSatConfig,
    UniSpeechSatModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WavLMConfig,
    WavLMModel,
    WhisperConfig,
    WhisperModel,
)

from ser_tl.encoders import Encoder, Fused, Moonshine, SoundNet, SpeechSSL, VGGish, Whisper, load_encoder

DIM, LAYERS = 16, 3

_STABLE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
_BUCKETS = {"num_buckets": 16, "max_bucket_distance": 40}
_SSL: dict[str, tuple[type[Any], type[Any], dict[str, Any]]] = {
    "wav2vec2": (Wav2Vec2Config, Wav2Vec2Model, _STABLE),
    "wav2vec2-post-norm": (Wav2Vec2Config, Wav2Vec2Model, {"feat_extract_norm": "layer"}),
    "wav2vec2-group": (Wav2Vec2Config, Wav2Vec2Model, {"feat_extract_norm": "group"}),
    "hubert": (HubertConfig, HubertModel, _STABLE),
    "hubert-group": (HubertConfig, HubertModel, {"feat_extract_norm": "group"}),
    "hubert-batch": (HubertConfig, HubertModel, {"feat_extract_norm": "group", "conv_pos_batch_norm": True}),
    "wavlm": (WavLMConfig, WavLMModel, _STABLE | _BUCKETS),
    "wavlm-group": (WavLMConfig, WavLMModel, {"feat_extract_norm": "group"} | _BUCKETS),
    "unispeech-sat": (UniSpeechSatConfig, UniSpeechSatModel, {"feat_extract_norm": "group"}),
    "data2vec-audio": (
        Data2VecAudioConfig,
        Data2VecAudioModel,
        {"num_conv_pos_embeddings": 2, "conv_pos_kernel_size": 7},
    ),
}
CLASSIFIERS = [*_SSL, "whisper"]
"""Those of which transformers has an audio classifier."""
NAMES = [*CLASSIFIERS, "moonshine"]
# Three convolutions to 50 frames a second instead of seven: the more of them, the longer torch.export thinks.
FEW = {"num_hidden_layers": 1, "conv_dim": (8,) * 3, "conv_kernel": (12, 9, 5), "conv_stride": (10, 8, 4)}
SPEECH_SSL = list(_SSL)


@dataclass(frozen=True)
class Kind:
    """A kind of encoder and what is known of it without asking it."""

    make: Callable[[int], Encoder]  # from a seed, in evaluation mode
    dim: int
    num_states: int
    frame_rate: float
    frames: Callable[[int], int]  # of a clip of so many samples


def _ssl_frames(samples: int) -> int:
    for kernel, step in zip((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2), strict=True):
        samples = (samples - kernel) // step + 1
    return max(1, samples)


KINDS: dict[str, Kind] = {
    name: Kind(lambda seed, name=name: tiny(name, seed=seed), DIM, LAYERS + 1, 50.0, _ssl_frames) for name in _SSL
}
KINDS["whisper"] = Kind(
    lambda seed: tiny("whisper", seed=seed), DIM, LAYERS + 1, 50.0, lambda samples: -(-samples // 320)
)
KINDS["whisper-feed-forward"] = Kind(
    lambda seed: wrap("whisper", checkpoint("whisper", seed=seed), feed_forward=True),
    DIM + 32,
    LAYERS,
    50.0,
    KINDS["whisper"].frames,
)


def _moonshine_frames(samples: int) -> int:
    for kernel, step in ((127, 64), (7, 3), (3, 2)):
        samples = (samples - kernel) // step + 1
    return max(1, samples)


KINDS["moonshine"] = Kind(lambda seed: tiny("moonshine", seed=seed), DIM, LAYERS + 1, 16_000 / 384, _moonshine_frames)
KINDS["moonshine-feed-forward"] = Kind(
    lambda seed: wrap("moonshine", checkpoint("moonshine", seed=seed), feed_forward=True),
    DIM + 32,
    LAYERS,
    16_000 / 384,
    _moonshine_frames,
)


def soundnet(taps: list[str], *, seed: int = 0, loudness: str = "recorded") -> SoundNet:
    """A SoundNet with random weights, its norms no longer the identity."""
    torch.manual_seed(seed)
    encoder = SoundNet.from_config({"taps": taps, "loudness": loudness})
    for name, tensor in encoder.state_dict().items():
        if ".norm." in name:
            tensor += 0.2 * torch.rand_like(tensor) * tensor.abs().clamp_min(1)
    return encoder.eval()


def _soundnet_frames(samples: int, layer: int) -> int:
    samples = max(-(-samples * 441 // 320), 4574)  # the fewest from which conv5's pool has a frame
    for pool in (8, 8, 1, 1, 4, 1, 1)[:layer]:
        samples = (samples // 2 + 1) // pool
    return samples


KINDS["soundnet"] = Kind(
    lambda seed: soundnet(["conv4", "conv5"], seed=seed), 384, 1, 21.533203125, lambda count: _soundnet_frames(count, 4)
)
for _loudness, _dim in (("even", 384), ("both", 768)):
    KINDS[f"soundnet-{_loudness}"] = Kind(
        lambda seed, loudness=_loudness: soundnet(["conv4", "conv5"], seed=seed, loudness=loudness),
        _dim,
        1,
        21.533203125,
        KINDS["soundnet"].frames,
    )
KINDS["soundnet-conv7"] = Kind(
    lambda seed: soundnet(["conv2", "conv7"], seed=seed), 1056, 1, 86.1328125, lambda count: _soundnet_frames(count, 2)
)


def vggish(*, seed: int = 0, **options: Any) -> VGGish:
    """A thin VGGish with random weights and no bias at zero."""
    torch.manual_seed(seed)
    encoder = VGGish.from_config({"channels": [4, 6, 8, 8], "hidden": 32, "size": DIM, **options})
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return encoder.eval()


def _vggish_examples(samples: int) -> int:
    mel = max(96, -(-(samples - 400) // 160) + 1)
    return 1 + -(-(mel - 96) // 48)


KINDS["vggish"] = Kind(lambda seed: vggish(seed=seed), DIM, 1, 1 / 0.48, _vggish_examples)
KINDS["vggish-frames"] = Kind(
    lambda seed: vggish(seed=seed, output="frames"), 32, 1, 6.25, lambda samples: -(-max(1, samples - 240) // 2560)
)


COMPUTED = {"mfcc": 39, "logmel-64": 64, "prosody": 10}
"""Features on a common grid of frames, and their dimensions."""

COMPUTED |= {"egemaps-lld": 25} if find_spec("opensmile") else {}
for _name, _dim in COMPUTED.items():
    KINDS[_name] = Kind(
        lambda _, name=_name: load_encoder(name).eval(), _dim, 1, 100.0, lambda samples: -(-samples // 160)
    )
if find_spec("opensmile"):
    KINDS["egemaps"] = Kind(lambda _: load_encoder("egemaps").eval(), 88, 1, 1.0, lambda _: 1)


KINDS["fused"] = Kind(
    lambda seed: Fused([tiny("whisper", seed=seed), tiny("hubert", seed=seed + 1)], [[3, 1], [3]]).eval(),
    3 * DIM,
    1,
    50.0,
    KINDS["whisper"].frames,
)
KINDS["fused-moonshine"] = Kind(
    lambda seed: Fused([tiny("moonshine", seed=seed), tiny("whisper", seed=seed + 1)], [[2, 3], [3]]).eval(),
    3 * DIM,
    1,
    16_000 / 384,
    _moonshine_frames,
)


# Of those that differ in their norms or in what they join: one with each part.
REPRESENTATIVES = {"wav2vec2", "hubert-batch", "wavlm-group", "data2vec-audio", "whisper", "whisper-feed-forward"}
REPRESENTATIVES |= {"moonshine", "soundnet-conv7", "vggish", "vggish-frames", "mfcc", "prosody", "egemaps", "fused"}


_SHARED = Path(__file__).parents[3] / "shared"
WHISPER_TINY = _SHARED / "weights" / "whisper-tiny.en"
"""The real Whisper tiny.en, where it lies beside this checkout."""
MOONSHINE_BASE = _SHARED / "weights" / "moonshine-base"
"""The encoder of the real Moonshine base, where it lies beside this checkout."""
SOUND8 = _SHARED / "weights" / "soundnet8" / "sound8.npy"
"""SoundNet-8's published weights, where they lie beside this checkout."""


def checkpoint(name: str, *, seed: int = 0, **overrides: Any) -> PreTrainedModel:
    """A transformers model as it would lie on the hub, its norms and biases no longer the identity."""
    torch.manual_seed(seed)
    if name == "whisper":
        sizes = {"d_model": DIM, "encoder_layers": LAYERS, "decoder_layers": 1, "vocab_size": 8}
        sizes |= {f"{side}_{part}": 2 for side in ("encoder", "decoder") for part in ("attention_heads",)}
        sizes |= {"encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_target_positions": 8}
        tokens = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "decoder_start_token_id"), 0)
        model: Any = WhisperModel(WhisperConfig(**(sizes | tokens | overrides)))
    elif name == "moonshine":
        sizes = {"hidden_size": DIM, "intermediate_size": 32, "vocab_size": 8, "decoder_num_hidden_layers": 1}
        sizes |= {"encoder_num_hidden_layers": LAYERS, "partial_rotary_factor": 0.62, "pad_token_id": 0}
        sizes |= {
            f"{side}_num_{part}heads": 2 for side in ("encoder", "decoder") for part in ("attention_", "key_value_")
        }
        model = MoonshineModel(MoonshineConfig(**(sizes | overrides)))
    else:
        config, kind, special = _SSL[name]
        sizes = {"hidden_size": DIM, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 32}
        sizes |= {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 15, "num_conv_pos_embedding_groups": 4}
        model = kind(config(**(sizes | special | overrides)))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:  # not Whisper's sinusoids
                parameter.add_(0.1 * torch.randn_like(parameter))
        for label, buffer in model.named_buffers():
            if "running" in label:
                buffer.add_(0.5 * torch.rand_like(buffer))  # variances stay positive
    return model.eval()


def wrap(name: str, model: Any, **options: bool) -> Encoder:
    """The encoder of such a checkpoint; wavlm is one that doesn't normalise its clips, as WavLM base."""
    if name == "whisper":
        return Whisper(model.get_encoder(), **options).eval()
    if name == "moonshine":
        return Moonshine(model.encoder, **options).eval()
    encoder = SpeechSSL(model, normalise=name != "wavlm")
    return encoder.eval()


def tiny(name: str, *, seed: int = 0, **overrides: Any) -> Encoder:
    """A tiny encoder, as `load_encoder` would make it, but without dropout."""
    quiet = ("dropout", "attention_dropout", "activation_dropout", "hidden_dropout", "feat_proj_dropout")
    plain = dict.fromkeys(quiet, 0.0) | ({} if name == "whisper" else {"layerdrop": 0.0, "mask_time_prob": 0.0})
    return wrap(name, checkpoint(name, seed=seed, **(plain | overrides)))


def save(name: str, folder: Path, **overrides: Any) -> Path:
    """The folder, with a checkpoint in transformers' layout."""
    checkpoint(name, **overrides).save_pretrained(folder)
    if name != "whisper":
        normalise = name not in ("wavlm", "moonshine")
        Wav2Vec2FeatureExtractor(do_normalize=normalise, return_attention_mask=True).save_pretrained(folder)
    return folder


def clip(samples: int, seed: int = 0) -> Tensor:
    """Noise (N,) that swells and fades, of a loudness that depends on the seed."""
    noise = torch.randn(samples, generator=torch.Generator().manual_seed(seed))
    return 0.05 * (1 + seed % 5) * noise * (1.1 + torch.sin(torch.arange(samples) / 1500))


def padded(clips: list[Tensor], behind: float = 0.0) -> tuple[Tensor, Tensor]:
    """Waveform (B, N) and lengths (B,), with noise of some loudness behind the shorter clips."""
    waveform = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    lengths = torch.tensor([len(one) for one in clips])
    padding = torch.arange(waveform.shape[1]) >= lengths[:, None]
    return waveform + behind * padding * torch.randn(waveform.shape), lengths
