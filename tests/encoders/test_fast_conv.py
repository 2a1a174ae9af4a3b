"""A CPU's way through wav2vec 2.0's convolutions: the numbers and gradients of torch's own."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from ser_tl.encoders import fast_conv
from ser_tl.encoders.fast_conv import clips_per_chunk, is_plain, strided_layer, wide_convolution
from ser_tl.encoders.masked import convolve


class Layer(nn.Module):
    """As transformers' layers with a norm."""

    def __init__(self, kernel, stride, inside, outside, *, bias=True):
        super().__init__()
        self.conv = nn.Conv1d(inside, outside, kernel, stride, bias=bias)
        self.layer_norm = nn.LayerNorm(outside)
        self.activation = functional.gelu

    def forward(self, frames):
        made = self.conv(frames).transpose(1, 2)
        return self.activation(self.layer_norm(made)).transpose(1, 2)


def gradients(made, *weights):
    draw = torch.Generator().manual_seed(1)
    return torch.autograd.grad((made * torch.randn(made.shape, generator=draw)).sum(), weights)


@pytest.mark.parametrize(
    ("kernel", "stride"), [(10, 5), (3, 2), (2, 2), (1, 1), (3, 1), (400, 160), (7, 3), (5, 5), (3, 4)]
)
@pytest.mark.parametrize("extra", range(4))
def test_strided_layers(kernel, stride, extra):
    torch.manual_seed(0)
    layer = Layer(kernel, stride, 3, 5, bias=extra % 2 == 0)
    frames = torch.randn(2, 3, kernel + 6 * stride + extra, requires_grad=True)
    plain, made = layer(frames), strided_layer(layer, frames)
    torch.testing.assert_close(made, plain, rtol=1e-5, atol=1e-5)
    weights = [frames, *layer.parameters()]
    for one, other in zip(gradients(made, *weights), gradients(plain, *weights), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_single_frame():
    layer = Layer(10, 5, 1, 4)
    frames = torch.randn(1, 1, 10)
    torch.testing.assert_close(strided_layer(layer, frames), layer(frames), rtol=1e-5, atol=1e-5)


class FirstLayer(nn.Module):
    """As transformers' layer with a group norm."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 4, 10, 5, bias=False)
        self.layer_norm = nn.GroupNorm(4, 4)
        self.activation = functional.gelu


def test_few_clips_at_once_make_the_same_frames(monkeypatch):
    torch.manual_seed(0)
    layers = nn.ModuleList([FirstLayer(), Layer(3, 2, 4, 5)])
    waveform, lengths = torch.randn(5, 900), torch.tensor([900, 700, 850, 300, 20])
    plain, counts = convolve(layers, waveform, lengths)
    expected = gradients(plain, *layers.parameters())
    seen = []
    layers[0].conv.register_forward_hook(lambda _module, inside, _made: seen.append(len(inside[0])))
    monkeypatch.setattr(fast_conv, "_BLOCK", 2 * 900 // 5 * 4 * 4)
    made, same_counts = convolve(layers, waveform, lengths)
    assert seen == [2, 2, 1]
    assert torch.equal(counts, same_counts)
    torch.testing.assert_close(made, plain, rtol=1e-5, atol=1e-6)
    for one, other in zip(gradients(made, *layers.parameters()), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_how_many_clips_at_once():
    conv = nn.Conv1d(1, 512, 10, 5)
    assert clips_per_chunk(conv, torch.empty(8, 16_000)) == 5  # 6.6 MB a second of audio
    assert clips_per_chunk(conv, torch.empty(8, 16_000 * 30)) == 1
    assert clips_per_chunk(conv, torch.empty(8, 1)) > 8
    assert clips_per_chunk(conv, torch.empty(8, 16_000 * 30, device="meta")) == 8


@pytest.mark.parametrize(("kernel", "groups"), [(64, 4), (128, 2), (31, 4), (16, 1), (8, 4), (64, 8)])
@pytest.mark.parametrize("length", [1, 5, 90])
def test_wide_convolutions(kernel, groups, length):
    torch.manual_seed(0)
    conv = nn.utils.parametrizations.weight_norm(
        nn.Conv1d(8, 8, kernel, padding=kernel // 2, groups=groups), name="weight", dim=2
    )
    frames = torch.randn(2, 8, length, requires_grad=True)
    assert is_plain(conv, frames)
    plain, made = conv(frames), wide_convolution(conv, frames)
    torch.testing.assert_close(made, plain, rtol=1e-5, atol=1e-5)
    weights = [frames, *conv.parameters()]
    for one, other in zip(gradients(made, *weights), gradients(plain, *weights), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_bf16_autocast_keeps_its_precision_at_the_borders():
    conv = nn.Conv1d(8, 8, 64, padding=32, groups=2)
    frames = torch.randn(1, 8, 50)
    with torch.autocast("cpu", torch.bfloat16):
        made = wide_convolution(conv, frames.bfloat16())
    assert made.dtype == torch.bfloat16
    torch.testing.assert_close(made.float(), conv(frames), rtol=0.02, atol=0.02)


def test_what_has_to_be_called_is_called():
    conv, frames = nn.Conv1d(1, 1, 1), torch.zeros(1, 1, 1)
    assert is_plain(conv, frames)
    assert not is_plain(nn.Sequential(conv), frames)  # an adapter around it
    conv.register_forward_hook(lambda *_: None)
    assert not is_plain(conv, frames)
