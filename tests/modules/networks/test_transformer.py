"""Attention gathers speech frames by the published equations."""

import numpy as np
import pytest
import torch

from ser_tl.errors import ConfigError
from ser_tl.modules.networks import NETWORKS
from ser_tl.modules.networks.transformer import TransformerBlock, sinusoids


def test_attention_is_a_softmax_over_the_speech_frames_of_each_head():
    torch.manual_seed(0)
    block = TransformerBlock(6, 2, 0.0)
    frames, count = torch.randn(1, 9, 6), 5
    with torch.no_grad():
        gathered = block.attend(frames, torch.arange(9)[None] < count)[0].numpy()
        queries, keys, values = block.project(frames)[0].numpy().reshape(9, 3, 2, 3).transpose(1, 2, 0, 3)
    heads = []
    for head in range(2):
        scores = np.exp(queries[head] @ keys[head, :count].T / np.sqrt(3))
        heads.append(scores / scores.sum(axis=1, keepdims=True) @ values[head, :count])
    weight, bias = block.join.weight.detach().numpy(), block.join.bias.detach().numpy()
    np.testing.assert_allclose(gathered, np.concatenate(heads, axis=1) @ weight.T + bias, atol=1e-5)


def test_positions_are_sines_and_cosines_of_falling_rates():
    positions = sinusoids(50, 8, torch.device("cpu")).numpy()
    rates = 10_000.0 ** (-np.arange(4) / 4)
    expected = [[*np.sin(place * rates), *np.cos(place * rates)] for place in range(50)]
    np.testing.assert_allclose(positions, expected, atol=1e-5)


def test_attention_weights_are_dropped_in_training_only():
    torch.manual_seed(0)
    block = TransformerBlock(6, 2, 0.5)
    block.dropout.p = 0.0
    frames, mask = torch.randn(1, 9, 6), torch.ones(1, 9, dtype=torch.bool)
    block.eval()
    assert torch.equal(block.attend(frames, mask), block.attend(frames, mask))
    block.train()
    assert not torch.allclose(block.attend(frames, mask), block.attend(frames, mask))


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"width": 10, "heads": 4}, "got 10, 4 and 2"),
        ({"width": 9, "heads": 3}, "even width"),
        ({"heads": 0}, "heads divide"),
        ({"layers": 0}, "at least one layer"),
    ],
)
def test_options_that_make_no_transformer_are_refused(options, found):
    with pytest.raises(ConfigError, match=found):
        NETWORKS["transformer"](6, **options)
