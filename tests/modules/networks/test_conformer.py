"""The conformer is torchaudio's, but for the norm of its convolution, and for what padding does to it."""

import pytest
import torch
from torch import nn
from torchaudio.models.conformer import ConformerLayer

from ser_tl.errors import ConfigError
from ser_tl.modules.networks import NETWORKS
from ser_tl.modules.networks.conformer import ConformerBlock


class FrameNorm(nn.LayerNorm):
    """LayerNorm of each frame where torchaudio has its BatchNorm, (B, D, T) -> (B, D, T)."""

    def forward(self, frames):
        return super().forward(frames.transpose(1, 2)).transpose(1, 2)


def torchaudios(block):
    """torchaudio's layer with the block's weights, and a LayerNorm in its convolution."""
    layer = ConformerLayer(8, 16, 2, 5)
    layer.conv_module.sequential[3] = FrameNorm(8)
    weights = {key.removeprefix("layer."): value for key, value in block.state_dict().items()}
    names = {
        "norm": "layer_norm",
        "gate": "sequential.0",
        "depthwise": "sequential.2",
        "rest.0": "sequential.3",
        "rest.2": "sequential.5",
    }
    for ours, theirs in names.items():
        for kind in ("weight", "bias"):
            value = weights.pop(f"convolution.{ours}.{kind}")
            pointwise = ours in ("gate", "rest.2") and kind == "weight"
            weights[f"conv_module.{theirs}.{kind}"] = value[..., None] if pointwise else value
    layer.load_state_dict(weights)
    return layer.eval()


def test_without_padding_a_block_is_torchaudios_layer():
    torch.manual_seed(0)
    block = ConformerBlock(8, 2, 5, 0.0).eval()
    frames = torch.randn(3, 20, 8)
    expected = torchaudios(block)(frames.transpose(0, 1), None).transpose(0, 1)
    torch.testing.assert_close(block(frames, torch.ones(3, 20, dtype=torch.bool)), expected, atol=1e-5, rtol=1e-5)


def test_a_padded_clip_leaves_a_block_as_it_leaves_torchaudios_layer_alone():
    torch.manual_seed(0)
    block = ConformerBlock(8, 2, 5, 0.0).eval()
    layer, frames = torchaudios(block), torch.randn(1, 20, 8)
    mask = torch.arange(20)[None] < 9
    alone = layer(frames[:, :9].transpose(0, 1), None).transpose(0, 1)
    torch.testing.assert_close(block(frames, mask)[:, :9], alone, atol=1e-5, rtol=1e-5)
    padded = layer(frames.transpose(0, 1), ~mask).transpose(0, 1)[:, :9]
    assert (padded - alone).abs().max() > 1e-3, "torchaudio's convolution no longer leaks: use it as it is"


@pytest.mark.parametrize(
    ("options", "found"),
    [({"width": 10, "heads": 4}, "heads divide"), ({"kernel": 8}, "odd kernel"), ({"layers": 0}, "at least one layer")],
)
def test_options_that_make_no_conformer_are_refused(options, found):
    with pytest.raises(ConfigError, match=found):
        NETWORKS["conformer"](6, **options)
