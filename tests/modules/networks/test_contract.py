"""Every registered network sees speech alone, whatever its length, its neighbours in the batch and their padding."""

import pytest
import torch

from ser_tl.errors import UnknownNameError
from ser_tl.modules.networks import NETWORKS

DIM = 6
COUNTS = [1, 2, 9, 23, 40]
every_network = pytest.mark.parametrize("name", list(NETWORKS))
in_both_modes = pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])


def frames_and_mask(counts=COUNTS, longest=None, seed=0):
    longest = longest or max(counts)
    frames = torch.randn(len(counts), longest, DIM, generator=torch.Generator().manual_seed(seed))
    return frames, torch.arange(longest) < torch.tensor(counts)[:, None]


def build(name, *, training=False, **options):
    """The network with all its weights random: norms begin as ones and zeros, which hides much."""
    torch.manual_seed(0)
    network = NETWORKS[name](DIM, **{"dropout": 0.0, **options}).train(training)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@every_network
def test_frames_are_as_wide_as_the_network_tells_and_zero_on_padding(name):
    network = build(name)
    frames, mask = network(*frames_and_mask(longest=60))
    assert mask.dtype == torch.bool
    assert frames.shape == (*mask.shape, network.out_dim)
    assert frames.dtype == torch.float32
    assert (frames[~mask] == 0).all()
    assert (frames[mask].std(dim=1) > 0.1).all()


@every_network
@pytest.mark.parametrize("longest", [40, 41, 63])
def test_the_mask_has_a_frame_for_each_group_that_holds_speech(name, longest):
    network = build(name)
    _, mask = network(*frames_and_mask(longest=longest))
    assert network.stride > 1
    assert mask.shape[1] == -(-longest // network.stride)
    assert mask.sum(dim=1).tolist() == [-(-count // network.stride) for count in COUNTS]
    assert (mask.long().diff(dim=1) <= 0).all()


@every_network
@in_both_modes
def test_a_clip_has_the_same_frames_alone_and_padded(name, training):
    network = build(name, training=training)
    frames, mask = frames_and_mask(longest=61)
    together, kept = network(frames, mask)
    for row, count in enumerate(COUNTS):
        alone, whole = network(frames[row : row + 1, :count], mask[row : row + 1, :count])
        assert whole.all()
        assert whole.sum() == kept[row].sum()
        torch.testing.assert_close(alone[0], together[row][kept[row]], atol=1e-5, rtol=1e-5)


@every_network
@in_both_modes
@pytest.mark.parametrize("noise", [1.0, 1e4, torch.inf, torch.nan])
def test_noise_on_padding_moves_neither_frames_nor_gradients(name, training, noise):
    network = build(name, training=training)
    speech, mask = frames_and_mask(longest=60)
    outputs, gradients = [], []
    for level in (torch.zeros(()), noise * torch.randn(speech.shape)):
        frames = torch.where(mask[..., None], speech, level).requires_grad_()
        network.zero_grad()
        heard, _ = network(frames, mask)
        heard.mul(torch.arange(1.0, network.out_dim + 1)).sin().sum().backward()
        outputs.append(heard)
        gradients.append([frames.grad, *(parameter.grad for parameter in network.parameters())])
    torch.testing.assert_close(*outputs, atol=1e-6, rtol=1e-6)
    for silent, noisy in zip(*gradients, strict=True):
        torch.testing.assert_close(silent, noisy, atol=1e-5, rtol=1e-5)
    assert (gradients[1][0][~mask] == 0).all()
    assert gradients[1][0][mask].abs().max() > 0.01


@every_network
def test_every_parameter_gets_a_gradient(name):
    network = build(name, training=True, dropout=0.1)
    heard, _ = network(*frames_and_mask())
    heard.mul(torch.arange(1.0, network.out_dim + 1)).sin().sum().backward()
    without = [key for key, parameter in network.named_parameters() if not (parameter.grad != 0).any()]
    assert without == []


@every_network
def test_the_first_frame_hears_the_last_and_the_last_the_first(name):
    network = build(name)
    frames, mask = frames_and_mask(counts=[40])
    heard, _ = network(frames, mask)
    for moved, listening in ((39, 0), (0, -1)):
        other = frames.clone()
        other[0, moved] += 1.0
        assert (network(other, mask)[0][0, listening] - heard[0, listening]).abs().max() > 1e-6


@every_network
def test_the_order_of_frames_matters(name):
    network = build(name)
    frames, mask = frames_and_mask(counts=[40])
    heard, _ = network(frames, mask)
    rolled, _ = network(frames.roll(network.stride, dims=1), mask)
    assert (rolled.roll(-1, dims=1) - heard).abs().max() > 1e-3


@every_network
def test_one_frame_and_constant_frames_have_finite_gradients(name):
    network = build(name, training=True)
    for frames in (torch.randn(1, 1, DIM), torch.full((2, 5, DIM), 0.7), torch.zeros(2, 5, DIM)):
        frames.requires_grad_()
        network.zero_grad()
        heard, _ = network(frames, torch.ones(frames.shape[:2], dtype=torch.bool))
        heard.square().sum().backward()
        assert heard.isfinite().all()
        assert all(tensor.grad.isfinite().all() for tensor in (frames, *network.parameters()))


@pytest.mark.slow
@every_network
def test_a_minute_of_frames_passes_and_matches_its_padded_self(name):
    network = build(name)
    frames, mask = frames_and_mask(counts=[6000, 3], longest=6000)
    with torch.inference_mode():
        together, kept = network(frames, mask)
        alone, _ = network(frames[1:, :3], mask[1:, :3])
    assert together.isfinite().all()
    torch.testing.assert_close(together[1][kept[1]], alone[0], atol=1e-5, rtol=1e-5)


@every_network
def test_evaluation_is_deterministic_and_training_drops_channels(name):
    network = build(name, dropout=0.5)
    frames, mask = frames_and_mask()
    assert torch.equal(network(frames, mask)[0], network(frames, mask)[0])
    network.train()
    assert not torch.allclose(network(frames, mask)[0], network(frames, mask)[0])


@every_network
def test_weights_saved_and_loaded_give_the_same_frames(name):
    source, target = build(name), NETWORKS[name](DIM).eval()
    frames, mask = frames_and_mask()
    assert not torch.allclose(source(frames, mask)[0], target(frames, mask)[0])
    target.load_state_dict(source.state_dict())
    assert torch.equal(source(frames, mask)[0], target(frames, mask)[0])


@every_network
def test_no_network_keeps_statistics_of_other_clips(name):
    assert not list(build(name).buffers())


@every_network
def test_frames_in_bfloat16_come_out_finite_and_train(name):
    network = build(name, training=True, dropout=0.1)
    frames, mask = frames_and_mask()
    with torch.autocast("cpu", torch.bfloat16):
        heard, _ = network(frames.bfloat16(), mask)
        heard.float().square().sum().backward()
    assert heard.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


@every_network
@pytest.mark.parametrize("dim", [1, 768])
def test_any_number_of_channels_comes_in(name, dim):
    network = NETWORKS[name](dim)
    frames, _ = network(torch.randn(2, 12, dim), torch.ones(2, 12, dtype=torch.bool))
    assert frames.shape[2] == network.out_dim


def test_an_unknown_network_is_refused_with_the_near_names():
    with pytest.raises(UnknownNameError, match="no network called 'lstm': did you mean 'bilstm'"):
        NETWORKS["lstm"]
