"""Convolutions keep a frame's place, and the larger of two frames is taken among speech alone."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from ser_tl.errors import ConfigError
from ser_tl.modules.networks import NETWORKS
from ser_tl.modules.networks.crnn import ConvolutionBlock


def test_a_convolution_is_its_equation_and_halves_the_frames_rounding_up():
    torch.manual_seed(0)
    convolution = ConvolutionBlock(3, 4, 3, 0.0)
    frames = torch.randn(1, 9, 3)
    mask = torch.arange(9)[None] < 7
    weight, bias = (tensor.detach().numpy() for tensor in (convolution.convolve.weight, convolution.convolve.bias))
    speech = np.pad(frames[0, :7].numpy(), ((1, 1), (0, 0)))
    convolved = np.stack([np.einsum("wdk,kd->w", weight, speech[place : place + 3]) + bias for place in range(7)])
    normed = (convolved - convolved.mean(1, keepdims=True)) / np.sqrt(convolved.var(1, keepdims=True) + 1e-5)
    activated = functional.gelu(torch.from_numpy(normed)).numpy()
    expected = [activated[0:2].max(0), activated[2:4].max(0), activated[4:6].max(0), activated[6]]
    halved, kept = convolution(frames, mask)
    assert kept.tolist() == [[True] * 4 + [False]]
    np.testing.assert_allclose(halved[0, :4].detach().numpy(), np.stack(expected), atol=1e-5)
    assert (halved[0, 4] == 0).all()


@pytest.mark.parametrize("convolutions", [1, 2, 4])
def test_each_convolution_halves_the_frames(convolutions):
    network = NETWORKS["crnn"](3, convolutions=convolutions)
    frames, mask = network(torch.randn(2, 32, 3), torch.ones(2, 32, dtype=torch.bool))
    assert frames.shape[1] == mask.shape[1] == 32 // 2**convolutions
    assert network.stride == 2**convolutions


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"kernel": 4}, "odd kernel, so that frames keep their place, got 4"),
        ({"convolutions": 0}, "at least one convolution, got 0"),
        ({"width": 5}, "even width"),
        ({"layers": 0}, "at least one layer"),
    ],
)
def test_options_that_make_no_crnn_are_refused(options, found):
    with pytest.raises(ConfigError, match=found):
        NETWORKS["crnn"](3, **options)
