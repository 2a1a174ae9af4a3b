"""The base checkpoints' real sizes, with random weights: shapes, parameters, and a gradient for each of them."""

import pytest
import torch

from ser_tl.encoders import ENCODERS, FAMILIES, count_parameters

from .tiny import clip, padded

pytestmark = pytest.mark.slow

TRANSFORMER = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
CONVOLUTIONS = {
    "conv_dim": [512] * 7,
    "conv_kernel": [10, 3, 3, 3, 3, 2, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "conv_bias": False,
    "num_conv_pos_embedding_groups": 16,
}
BASE = TRANSFORMER | CONVOLUTIONS | {"num_conv_pos_embeddings": 128, "feat_extract_norm": "group"}
CONFIGURATIONS = {
    "wav2vec2-base": {"model_type": "wav2vec2"} | BASE,
    "hubert-base": {"model_type": "hubert", "feat_proj_layer_norm": True} | BASE,
    "wavlm-base-plus": {"model_type": "wavlm", "num_buckets": 320, "max_bucket_distance": 800} | BASE,
    "unispeech-sat-base": {"model_type": "unispeech-sat"} | BASE,
    "data2vec-audio-base": {"model_type": "data2vec-audio", "num_conv_pos_embeddings": 5, "conv_pos_kernel_size": 19}
    | TRANSFORMER
    | CONVOLUTIONS,
    "whisper-base": {
        "model_type": "whisper",
        "d_model": 512,
        "encoder_layers": 6,
        "encoder_attention_heads": 8,
        "encoder_ffn_dim": 2048,
        "num_mel_bins": 80,
    },
    "moonshine-tiny": {"model_type": "moonshine"},  # MoonshineConfig's defaults are tiny's
    "moonshine-base": {
        "model_type": "moonshine",
        "hidden_size": 416,
        "intermediate_size": 1664,
        "encoder_num_hidden_layers": 8,
        "partial_rotary_factor": 0.62,
    },
}
SHAPES = {"whisper-base": (25, 6, 512), "moonshine-tiny": (19, 6, 288), "moonshine-base": (19, 8, 416)}
"""Frames of half a second, layers and channels, where they differ from those of the base models of wav2vec 2.0."""
PARAMETERS = {"unispeech-sat-base": 94.4}  # millions, of what has no card


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_half_a_second_goes_forward_and_back_through_the_whole_encoder(name):
    torch.manual_seed(0)
    architecture = CONFIGURATIONS[name]
    encoder = FAMILIES[architecture["model_type"]].from_config({"architecture": architecture, "normalise": True})
    encoder.requires_grad_(True).train()
    states, _ = encoder(*padded([clip(8000)]))
    frames, layers, dim = SHAPES.get(name, (24, 12, 768))
    assert states.shape == (layers + 1, 1, frames, dim)
    (states * torch.randn(dim)).mean().backward()
    for label, parameter in encoder.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.isfinite().all(), label
    expected = PARAMETERS[name] if name in PARAMETERS else ENCODERS[name].parameters
    assert count_parameters([encoder]) / 1e6 == pytest.approx(expected, rel=0.01)
