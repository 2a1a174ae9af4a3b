"""Layers that are run again in the backward pass give the gradients of layers that are kept, and keep less."""

import pytest
import torch
from transformers import HubertConfig, Wav2Vec2Config, WavLMConfig

from ser_tl.encoders import SpeechSSL, checkpoint_layers, load_encoder
from ser_tl.errors import ConfigError
from tests.training.samples import tiny_model

SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
SMALL |= {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}


CONFIGURATIONS = {"wav2vec2": Wav2Vec2Config, "hubert": HubertConfig, "wavlm": WavLMConfig}
WITH_LAYERS = [*CONFIGURATIONS, "whisper"]


def build(family, **options):
    """A small random encoder."""
    if family == "whisper":
        return tiny_model().encoder
    torch.manual_seed(0)
    architecture = CONFIGURATIONS[family](**(SMALL | options)).to_diff_dict()
    return SpeechSSL.from_config({"architecture": architecture, "normalise": True})


def kept_bytes(encoder):
    """The gradients of a training step, and how much the graph held between the passes."""
    held = {}

    def pack(tensor):
        held[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    torch.manual_seed(1)
    waveform = torch.randn(2, 16000)
    encoder.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        states = encoder(waveform, torch.tensor([16000, 12000])).states
    before = sum(held.values())
    states.square().sum().backward()
    return {name: weight.grad for name, weight in encoder.named_parameters() if weight.grad is not None}, before


@pytest.mark.slow
@pytest.mark.parametrize("family", WITH_LAYERS)
def test_gradients_are_the_same_and_less_is_kept(family):
    encoder = build(family)
    plain, kept = kept_bytes(encoder)
    encoder.zero_grad()
    checkpoint_layers(encoder)
    again, kept_again = kept_bytes(encoder)
    assert plain.keys() == again.keys()
    assert len(plain) > 10
    for name, gradient in plain.items():
        torch.testing.assert_close(again[name], gradient, msg=name)
    assert kept_again < 0.8 * kept


@pytest.mark.slow
def test_a_fused_encoders_transformer_is_found():
    encoder = load_encoder("wav2vec2-mini+mfcc")
    checkpoint_layers(encoder)
    assert any(getattr(part, "gradient_checkpointing", False) for part in encoder.modules())


def test_an_encoder_without_layers_is_refused():
    with pytest.raises(ConfigError, match=r"train\.checkpointing is for transformers' encoders, and mfcc"):
        checkpoint_layers(load_encoder("mfcc"))
