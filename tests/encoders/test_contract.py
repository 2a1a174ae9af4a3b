"""What every encoder promises, held against tiny ones of each kind."""

import json

import pytest
import torch

from ser_tl.encoders import FAMILIES, count_parameters
from tests.combinations import with_default

from .tiny import KINDS, REPRESENTATIVES, clip, padded

SECOND = 16_000
BATCH = padded([clip(1), clip(320, seed=1), clip(3 * SECOND, seed=2)])

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("name", with_default(KINDS, REPRESENTATIVES))]


def make(name, seed=0):
    return KINDS[name].make(seed)


@torch.no_grad()
def test_states_and_mask_have_the_shapes_that_the_encoder_tells(name):
    encoder, kind = make(name), KINDS[name]
    states, mask = encoder(*BATCH)
    longest = kind.frames(3 * SECOND)
    assert (encoder.num_states, encoder.dim) == (kind.num_states, kind.dim)
    assert encoder.frame_rate == pytest.approx(kind.frame_rate)
    assert states.shape == (kind.num_states, 3, longest, kind.dim)
    assert states.dtype == torch.float32
    assert mask.shape == (3, longest)
    assert mask.dtype == torch.bool
    if longest > 1:  # features of a whole clip have one frame, whatever their rate
        assert abs(longest - 3 * encoder.frame_rate) <= 2
    assert states.isfinite().all()


@torch.no_grad()
def test_the_mask_covers_each_clip_from_its_start_and_is_never_empty(name):
    mask = make(name)(*BATCH).mask
    counts = [KINDS[name].frames(samples) for samples in (1, 320, 3 * SECOND)]
    assert min(counts) >= 1
    assert mask.tolist() == [[frame < count for frame in range(mask.shape[1])] for count in counts]


@torch.no_grad()
def test_a_batch_of_one_clip_of_any_length_is_all_speech(name):
    encoder = make(name)
    for samples in (1, 320, 399, 400, 719, 720, SECOND // 10, 5 * SECOND):
        states, mask = encoder(*padded([clip(samples)]))
        frames = KINDS[name].frames(samples)
        assert mask.tolist() == [[True] * frames], samples
        assert states.shape == (KINDS[name].num_states, 1, frames, KINDS[name].dim), samples
        assert states.isfinite().all(), samples


@torch.no_grad()
def test_a_minute_is_taken_or_the_limit_told(name):
    encoder = make(name)
    seconds = min(60.0, encoder.max_seconds or 60.0)
    states, mask = encoder(*padded([clip(int(seconds * SECOND))]))
    assert mask.all()
    assert states.isfinite().all()


@torch.no_grad()
def test_a_silent_clip_has_finite_states(name):
    assert make(name)(torch.zeros(1, 4000), torch.tensor([4000])).states.isfinite().all()


@torch.no_grad()
def test_evaluation_is_deterministic(name):
    encoder = make(name)
    assert torch.equal(encoder(*BATCH).states, encoder(*BATCH).states)


@torch.no_grad()
def test_what_stands_behind_a_clip_never_reaches_its_states(name):
    encoder, clips = make(name), [clip(9000, seed=1), clip(SECOND, seed=2)]
    silent, (noisy, mask) = encoder(*padded(clips)), encoder(*padded(clips, behind=3.0))
    assert torch.equal(silent.states[:, mask], noisy[:, mask])


@torch.no_grad()
def test_states_move_with_the_audio(name):
    encoder = make(name)
    first, second = encoder(*padded([clip(8000)])).states, encoder(*padded([clip(8000, seed=1)])).states
    assert (first - second).abs().amax(dim=(1, 2, 3)).min() > 0.01


@torch.no_grad()
def test_a_state_is_the_same_whether_or_not_those_above_it_are_computed_and_nothing_above_it_is(name):
    encoder = make(name)
    states, mask = encoder(*BATCH)
    seen: list[str] = []
    for block in encoder.blocks():
        for part in block.modules:
            part.register_forward_hook(lambda *_, block=block: seen.append(block.name))
    for layer in range(encoder.num_states):
        seen.clear()
        alone = encoder(*BATCH, [layer])
        assert torch.equal(alone.states, states[layer : layer + 1])
        assert torch.equal(alone.mask, mask)
        assert set(seen) <= {block.name for block in encoder.blocks_below(layer)}
    backwards = list(reversed(range(encoder.num_states)))
    assert torch.equal(encoder(*BATCH, backwards).states, states[backwards])


@torch.no_grad()
def test_an_encoder_resumed_at_any_state_makes_those_above_it_and_computes_nothing_below(name):
    encoder = make(name)
    states, mask = encoder(*BATCH)
    for layer in range(encoder.num_states - 1):
        above = list(range(layer + 1, encoder.num_states))
        handles = [
            part.register_forward_hook(lambda *_, block=block: pytest.fail(f"{block.name} was computed"))
            for block in encoder.blocks_below(layer)
            for part in block.modules
        ]
        assert torch.equal(encoder.resume(states[layer], mask, layer, above), states[above])
        assert torch.equal(encoder.resume(states[layer], mask, layer, above[-1:]), states[-1:])
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@torch.no_grad()
def test_a_clip_has_the_same_states_alone_and_padded(name, training):
    encoder = make(name).train(training)
    clips = [clip(1, seed=4), clip(320, seed=1), clip(6501, seed=3), clip(2 * SECOND, seed=2)]
    together, mask = encoder(*padded(clips, behind=1.0))
    for row, one in enumerate(clips[:-1]):
        alone = encoder(*padded([one])).states[:, 0]
        torch.testing.assert_close(together[:, row, mask[row]], alone, atol=1e-4, rtol=1e-4)


def test_no_gradient_and_no_graph_when_frozen(name):
    encoder = make(name).requires_grad_(False).train()
    assert not encoder(*BATCH).states.requires_grad


def test_blocks_hold_every_parameter_once_the_input_side_first(name):
    encoder = make(name)
    blocks = encoder.blocks()
    held = [id(parameter) for block in blocks for parameter in block.modules.parameters()]
    assert len(held) == len(set(held))
    assert set(held) == {id(parameter) for parameter in encoder.parameters()}
    assert len({block.name for block in blocks}) == len(blocks)
    assert len(blocks) >= encoder.num_states - 1
    assert count_parameters(block.modules for block in blocks) == count_parameters([encoder])


@torch.no_grad()
def test_each_part_of_a_block_moves_the_block_s_state_and_those_above_and_none_below(name):
    encoder, batch = make(name), padded([clip(4000)])
    states = encoder(*batch).states
    below = len(encoder.blocks()) - (encoder.num_states - 1)
    for number, block in enumerate(encoder.blocks()):
        for part in block.modules:
            kept = {key: value.clone() for key, value in encoder.state_dict().items()}
            for parameter in part.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
            gaps = (encoder(*batch).states - states).abs().amax(dim=(1, 2, 3))
            own = max(0, number - below + 1)
            assert (gaps[:own] == 0).all(), block.name
            assert (gaps[own:] > 1e-3).all() == bool(list(part.parameters())), block.name
            encoder.load_state_dict(kept)


@torch.no_grad()
def test_config_as_json_and_weights_make_the_same_encoder(name):
    encoder, batch = make(name), padded([clip(4000), clip(8000, seed=3)])
    config = json.loads(json.dumps(encoder.config))
    again = FAMILIES[encoder.family].from_config(config).eval()
    random = torch.equal(again(*batch).states, encoder(*batch).states)
    assert random == (count_parameters([encoder]) == 0)
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(*batch).states, encoder(*batch).states)
