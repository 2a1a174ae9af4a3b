"""The classifier on top of an embedding."""

import pytest
import torch
from torch.nn import functional

from ser_tl.errors import ConfigError
from ser_tl.modules.heads import Head


@pytest.mark.parametrize("hidden", [0, 5])
def test_logits_have_one_column_a_class(hidden):
    assert Head(6, 4, hidden)(torch.randn(3, 6)).shape == (3, 4)


@torch.no_grad()
def test_without_a_hidden_layer_the_head_is_linear_on_the_normed_embedding():
    head, embedding = Head(6, 4), torch.randn(3, 6)
    linear = head.layers[-1]
    torch.testing.assert_close(head(embedding), linear(functional.layer_norm(embedding, (6,))))
    assert sum(parameter.numel() for parameter in head.parameters()) == 2 * 6 + 6 * 4 + 4


def test_a_hidden_layer_has_its_width_and_learns():
    head = Head(6, 4, hidden=5)
    assert sum(parameter.numel() for parameter in head.parameters()) == 2 * 6 + (6 * 5 + 5) + (5 * 4 + 4)
    head(torch.randn(3, 6)).square().sum().backward()
    assert all((parameter.grad != 0).any() for parameter in head.parameters())


@pytest.mark.parametrize("hidden", [0, 5])
def test_dropout_is_for_training_alone(hidden):
    head, embedding = Head(6, 4, hidden, dropout=0.5), torch.randn(3, 6)
    assert not torch.equal(head(embedding), head(embedding))
    head.eval()
    assert torch.equal(head(embedding), head(embedding))
    bare = Head(6, 4, hidden)
    bare.load_state_dict(head.state_dict())
    assert torch.equal(bare.train()(embedding), head(embedding))


@pytest.mark.parametrize(("hidden", "dropout"), [(-1, 0.0), (0, 1.0), (0, -0.1), (0, float("nan"))])
def test_impossible_sizes_are_told_with_what_is_expected(hidden, dropout):
    with pytest.raises(ConfigError, match=rf"hidden >= 0 and 0 <= dropout < 1, got hidden={hidden}, dropout={dropout}"):
        Head(6, 4, hidden, dropout)
