"""What every encoder promises, held against tiny ones of each kind."""

import json

import pytest
import torch

from ser_tl.encoders import FAMILIES, parameter_count

from .tiny import DIM, EXACT, LAYERS, NAMES, checkpoint, clip, padded, tiny

SECOND = 16_000
BATCH = padded([clip(1), clip(320, seed=1), clip(5 * SECOND, seed=2)])

pytestmark = pytest.mark.parametrize("name", NAMES)


def frames_of(name, samples):
    """Frames of a clip, by the arithmetic of each front end."""
    if name == "whisper":
        return -(-samples // 320)
    for kernel, step in zip((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2), strict=True):
        samples = (samples - kernel) // step + 1
    return max(1, samples)


@torch.no_grad()
def test_states_and_mask_have_the_shapes_that_the_encoder_tells(name):
    encoder = tiny(name)
    states, mask = encoder(*BATCH)
    longest = frames_of(name, 5 * SECOND)
    assert (encoder.num_states, encoder.dim, encoder.frame_rate) == (LAYERS + 1, DIM, 50.0)
    assert states.shape == (encoder.num_states, 3, longest, encoder.dim)
    assert states.dtype == torch.float32
    assert mask.shape == (3, longest)
    assert mask.dtype == torch.bool
    assert abs(longest - 5 * encoder.frame_rate) <= 1
    assert states.isfinite().all()


@torch.no_grad()
def test_the_mask_covers_each_clip_from_its_start_and_is_never_empty(name):
    mask = tiny(name)(*BATCH).mask
    counts = [1, 1, frames_of(name, 5 * SECOND)]
    assert mask.tolist() == [[frame < count for frame in range(mask.shape[1])] for count in counts]


@pytest.mark.parametrize("samples", [1, 320, 399, 400, 719, 720, 5 * SECOND])
@torch.no_grad()
def test_a_batch_of_one_clip_of_any_length_is_all_speech(name, samples):
    states, mask = tiny(name)(*padded([clip(samples)]))
    assert mask.tolist() == [[True] * frames_of(name, samples)]
    assert states.shape == (LAYERS + 1, 1, frames_of(name, samples), DIM)
    assert states.isfinite().all()


@torch.no_grad()
def test_a_silent_clip_has_finite_states(name):
    assert tiny(name)(torch.zeros(1, 4000), torch.tensor([4000])).states.isfinite().all()


@torch.no_grad()
def test_evaluation_is_deterministic(name):
    encoder = tiny(name)
    assert torch.equal(encoder(*BATCH).states, encoder(*BATCH).states)


@torch.no_grad()
def test_what_stands_behind_a_clip_never_reaches_its_states(name):
    encoder, clips = tiny(name), [clip(9000, seed=1), clip(SECOND, seed=2)]
    silent, (noisy, mask) = encoder(*padded(clips)), encoder(*padded(clips, behind=3.0))
    assert torch.equal(silent.states[:, mask], noisy[:, mask])


@torch.no_grad()
def test_states_move_with_the_audio(name):
    encoder = tiny(name)
    first, second = encoder(*padded([clip(8000)])).states, encoder(*padded([clip(8000, seed=1)])).states
    assert (first - second).abs().amax(dim=(1, 2, 3)).min() > 0.01


@torch.no_grad()
def test_a_clip_has_the_same_states_alone_and_padded_where_that_is_promised(name):
    encoder = tiny(name)
    clips = [clip(1, seed=4), clip(320, seed=1), clip(6501, seed=3), clip(2 * SECOND, seed=2)]
    together, mask = encoder(*padded(clips, behind=1.0))
    gaps = []
    for row, one in enumerate(clips[:-1]):
        alone = encoder(*padded([one])).states[:, 0]
        gaps.append((together[:, row, mask[row]] - alone).abs().max())
    if name in EXACT:
        assert max(gaps) < 1e-4
    else:
        assert max(gaps) > 0.05, "padding is exact by now: the encoder's documentation says otherwise"


def test_blocks_hold_every_parameter_once_the_input_side_first(name):
    encoder = tiny(name)
    blocks = encoder.blocks()
    held = [id(parameter) for block in blocks for parameter in block.modules.parameters()]
    assert len(held) == len(set(held))
    assert set(held) == {id(parameter) for parameter in encoder.parameters()}
    assert blocks[0].name == "front end"
    assert [block.name for block in blocks[-LAYERS:]] == ["layer 1", "layer 2", "layer 3"]
    assert parameter_count(block.modules for block in blocks) == parameter_count([encoder])


@torch.no_grad()
def test_each_part_of_a_block_moves_the_block_s_state_and_those_above_and_none_below(name):
    encoder, batch = tiny(name), padded([clip(4000)])
    states = encoder(*batch).states
    below = len(encoder.blocks()) - LAYERS
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
    encoder, batch = tiny(name), padded([clip(4000), clip(8000, seed=3)])
    config = json.loads(json.dumps(encoder.config))
    again = FAMILIES[encoder.family].from_config(config).eval()
    assert not torch.equal(again(*batch).states, encoder(*batch).states)  # random as yet
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(*batch).states, encoder(*batch).states)


def test_an_encoder_from_config_drops_no_layers_and_masks_no_time_in_training(name):
    drops = {"encoder_layerdrop": 0.9} if name == "whisper" else {"layerdrop": 0.9, "mask_time_prob": 0.9}
    architecture = checkpoint(name, **drops).config.to_diff_dict()
    quiet = ("dropout", "attention_dropout", "activation_dropout", "hidden_dropout", "feat_proj_dropout")
    architecture |= dict.fromkeys(quiet, 0.0)
    encoder = FAMILIES[architecture["model_type"]].from_config({"architecture": architecture, "normalise": True})
    batch = padded([clip(4000)])  # 12 frames, about as short as transformers' time masks
    learning = encoder.train()(*batch).states
    assert torch.equal(learning, encoder.eval()(*batch).states)
