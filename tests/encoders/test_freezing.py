"""What is frozen keeps no graph and stays in evaluation mode, and what moves gets a gradient."""

import pytest
import torch
from torch import Tensor

from ser_tl.encoders import FAMILIES
from tests.combinations import with_default

from .tiny import NAMES, REPRESENTATIVES, checkpoint, clip, padded, tiny

BATCH = padded([clip(5000), clip(8000, seed=1)])
DROPOUT = {"hidden_dropout": 0.5, "attention_dropout": 0.5, "activation_dropout": 0.5, "feat_proj_dropout": 0.5}

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("name", with_default(NAMES, REPRESENTATIVES))]


def dropping(name):
    """An encoder that drops half of everything while it learns."""
    return tiny(name, **({"dropout": 0.5, "attention_dropout": 0.5} if name == "whisper" else DROPOUT))


def move(encoder, blocks):
    """Freezes all but these blocks, given by number, and begins training."""
    encoder.requires_grad_(False)
    for number in blocks:
        encoder.blocks()[number].modules.requires_grad_(True)
    return encoder.train()


def kept_for_backward(encoder) -> int:
    """Numbers that a forward pass saves for the backward pass."""
    sizes: list[int] = []

    def pack(saved: Tensor) -> Tensor:
        sizes.append(saved.numel())
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved):
        encoder(*BATCH)
    return sum(sizes)


def test_a_frozen_encoder_keeps_nothing_for_the_backward_pass(name):
    encoder = move(tiny(name), [])
    assert kept_for_backward(encoder) == 0
    assert not encoder(*BATCH).states.requires_grad


def test_an_encoder_frozen_in_the_midst_of_training_keeps_nothing_either(name):
    encoder = tiny(name).train()
    encoder.requires_grad_(False)  # without another train()
    assert kept_for_backward(encoder) == 0


def test_a_moving_encoder_keeps_nothing_where_gradients_are_off(name):
    encoder = move(tiny(name), range(len(tiny(name).blocks())))
    with torch.no_grad():
        assert kept_for_backward(encoder) == 0
        assert not encoder(*BATCH).states.requires_grad


def test_a_moving_top_block_keeps_a_fraction_of_what_a_moving_encoder_does(name):
    encoder = tiny(name)
    every = range(len(encoder.blocks()))
    whole = kept_for_backward(move(encoder, every))
    without_front_end = kept_for_backward(move(encoder, every[1:]))
    top = kept_for_backward(move(encoder, every[-1:]))
    assert 0 < top < 0.6 * without_front_end
    assert without_front_end < whole


def test_the_result_of_a_frozen_front_end_has_no_graph(name):
    encoder = tiny(name)
    *_, last = encoder.blocks()[0].modules
    seen: list[bool] = []

    def look(_module, _inputs, out):
        seen.append((out[0] if isinstance(out, tuple) else out).requires_grad)

    last.register_forward_hook(look)
    for moving in (range(len(encoder.blocks())), range(1, len(encoder.blocks()))):
        move(encoder, moving)(*BATCH)
    assert seen == [True, False]


def test_frozen_blocks_stay_in_evaluation_mode(name):
    encoder = tiny(name)
    move(encoder, [len(encoder.blocks()) - 1])
    *below, top = encoder.blocks()
    for block in below:
        assert not any(part.training for module in block.modules for part in module.modules()), block.name
    assert all(part.training for module in top.modules for part in module.modules())
    assert not any(part.training for part in encoder.eval().modules())


def test_a_frozen_encoder_has_no_dropout_in_training(name):
    encoder = dropping(name)
    states = encoder(*BATCH).states
    frozen = move(encoder, [])(*BATCH).states
    learning = move(encoder, range(len(encoder.blocks())))(*BATCH).states
    assert (frozen - states).abs().max() < 1e-5
    assert (learning - states).abs().max() > 0.1


def test_states_below_a_moving_block_have_no_dropout_in_training(name):
    encoder = dropping(name)
    states = encoder(*BATCH).states
    learning = move(encoder, [len(encoder.blocks()) - 1])(*BATCH).states
    assert (learning - states)[:-1].abs().max() < 1e-5
    assert (learning - states)[-1].abs().max() > 0.1


def test_every_parameter_gets_a_finite_gradient(name):
    encoder = tiny(name)
    encoder.requires_grad_(True).train()
    states, mask = encoder(*padded([clip(1), clip(320, seed=1), clip(8000, seed=2)]))
    (states[:, mask] * torch.randn(encoder.dim)).sum().backward()
    for label, parameter in encoder.named_parameters():
        assert parameter.grad is not None, label
        assert parameter.grad.isfinite().all(), label
        if not label.endswith("k_proj.bias"):  # adds the same to every score of a query: softmax takes it out
            assert parameter.grad.abs().max() > 1e-6, label


def test_training_moves_no_statistics(name):
    encoder = tiny(name)
    before = {label: buffer.clone() for label, buffer in encoder.named_buffers()}
    states = encoder.requires_grad_(True).train()(*BATCH).states
    assert all(torch.equal(buffer, before[label]) for label, buffer in encoder.named_buffers())
    torch.testing.assert_close(states, encoder.eval()(*BATCH).states)


def test_an_encoder_from_config_drops_no_layers_and_masks_no_time_in_training(name):
    drops = {"encoder_layerdrop": 0.9} if name == "whisper" else {"layerdrop": 0.9, "mask_time_prob": 0.9}
    architecture = checkpoint(name, **drops).config.to_diff_dict()
    quiet = ("dropout", "attention_dropout", "activation_dropout", "hidden_dropout", "feat_proj_dropout")
    architecture |= dict.fromkeys(quiet, 0.0)
    encoder = FAMILIES[architecture["model_type"]].from_config({"architecture": architecture, "normalise": True})
    batch = padded([clip(4000)])  # 12 frames, about as short as transformers' time masks
    learning = encoder.train()(*batch).states
    assert torch.equal(learning, encoder.eval()(*batch).states)
