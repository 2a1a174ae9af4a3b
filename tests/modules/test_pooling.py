"""Poolings see speech alone, and the layers below them are standardised and mixed as the equations say."""

import numpy as np
import pytest
import torch

from ser_tl.modules.pooling import POOLINGS, LayerMix

DIM = 6
COUNTS = [1, 4, 9]
every_pooling = pytest.mark.parametrize("name", list(POOLINGS))


def frames_and_mask(counts=COUNTS, longest=None, seed=0):
    longest = longest or max(counts)
    frames = torch.randn(len(counts), longest, DIM, generator=torch.Generator().manual_seed(seed))
    return frames, torch.arange(longest) < torch.tensor(counts)[:, None]


def build(name):
    """The pooling with all its weights random: attention begins as the plain mean."""
    torch.manual_seed(0)
    pooling = POOLINGS[name](DIM)
    with torch.no_grad():
        for parameter in pooling.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return pooling


@every_pooling
def test_the_embedding_is_as_wide_as_the_pooling_tells(name):
    pooling = build(name)
    embedding = pooling(*frames_and_mask())
    assert embedding.shape == (len(COUNTS), pooling.out_dim)
    assert embedding.dtype == torch.float32


@every_pooling
@pytest.mark.parametrize("noise", [1.0, 1e4])
def test_noise_on_padding_moves_neither_embedding_nor_gradients(name, noise):
    pooling = build(name)
    speech, mask = frames_and_mask(longest=12)
    embeddings, gradients = [], []
    for level in (0.0, noise):
        frames = torch.where(mask[..., None], speech, level * torch.randn(speech.shape)).requires_grad_()
        pooling.zero_grad()
        embedding = pooling(frames, mask)
        embedding.mul(torch.arange(1.0, pooling.out_dim + 1)).sin().sum().backward()
        embeddings.append(embedding)
        gradients.append([frames.grad, *(parameter.grad for parameter in pooling.parameters())])
    torch.testing.assert_close(embeddings[0], embeddings[1], atol=1e-6, rtol=1e-6)
    for silent, noisy in zip(*gradients, strict=True):
        torch.testing.assert_close(silent, noisy, atol=1e-6, rtol=1e-5)
    assert (gradients[1][0][~mask] == 0).all()
    assert gradients[1][0][mask].abs().max() > 0.01


@every_pooling
def test_a_clip_has_the_same_embedding_alone_and_padded(name):
    pooling = build(name)
    frames, mask = frames_and_mask()
    together = pooling(frames, mask)
    for row, count in enumerate(COUNTS):
        alone = pooling(frames[row : row + 1, :count], mask[row : row + 1, :count])
        torch.testing.assert_close(alone[0], together[row], atol=1e-6, rtol=1e-5)


@every_pooling
def test_one_frame_and_constant_frames_have_finite_gradients(name):
    pooling = build(name)
    for frames in (torch.randn(2, 1, DIM), torch.full((2, 5, DIM), 0.7), torch.zeros(2, 5, DIM)):
        frames.requires_grad_()
        embedding = pooling(frames, torch.ones(frames.shape[:2], dtype=torch.bool))
        embedding.square().sum().backward()
        assert embedding.isfinite().all()
        assert all(tensor.grad.isfinite().all() for tensor in (frames, *pooling.parameters()))


@every_pooling
def test_states_in_bfloat16_are_pooled_to_finite_numbers(name):
    frames, mask = frames_and_mask()
    with torch.autocast("cpu", torch.bfloat16):
        embedding = build(name)(frames.bfloat16(), mask)
    assert embedding.isfinite().all()


def test_mean_max_and_last_are_those_of_numpy_over_speech():
    frames, mask = frames_and_mask()
    for name, expected in (
        ("mean", [frames[row, :count].numpy().mean(axis=0) for row, count in enumerate(COUNTS)]),
        ("max", [frames[row, :count].numpy().max(axis=0) for row, count in enumerate(COUNTS)]),
        ("last", [frames[row, count - 1].numpy() for row, count in enumerate(COUNTS)]),
    ):
        np.testing.assert_allclose(build(name)(frames, mask).numpy(), np.stack(expected), atol=1e-6)


def test_stats_are_mean_and_deviation_of_numpy_over_speech():
    frames, mask = frames_and_mask(counts=[2, 7, 30])
    embedding = build("stats")(frames, mask).numpy()
    for row, count in enumerate([2, 7, 30]):
        speech = frames[row, :count].numpy()
        np.testing.assert_allclose(embedding[row], [*speech.mean(axis=0), *speech.std(axis=0)], atol=1e-5)


def test_attention_adds_up_to_one_over_speech_and_is_zero_on_padding():
    frames, mask = frames_and_mask(longest=12)
    weight = build("attention").attend(frames * 5, mask)
    assert weight.shape == (3, 12, 1)
    torch.testing.assert_close(weight.sum(dim=1), torch.ones(3, 1))
    assert (weight[~mask] == 0).all()
    assert (weight[mask] > 0).all()


def test_attention_begins_as_the_plain_mean_and_learns():
    frames, mask = frames_and_mask()
    pooling = POOLINGS["attention"](DIM)
    torch.testing.assert_close(pooling(frames, mask), build("mean")(frames, mask))
    optimizer = torch.optim.SGD(pooling.parameters(), lr=0.1)
    start = pooling.attend(frames, mask).detach()
    for _ in range(2):  # the first step moves the last layer, the second all
        optimizer.zero_grad()
        pooling(frames, mask).square().sum().backward()
        optimizer.step()
    first, *_, last = pooling.attend.score
    assert all((parameter.grad != 0).any() for parameter in (first.weight, first.bias, last.weight))
    assert (pooling.attend(frames, mask) - start).abs().max() > 1e-3


def test_attentive_poolings_are_their_equations():
    frames, mask = frames_and_mask()
    attention, stats = build("attention"), build("attentive-stats")
    with torch.no_grad():
        weight = stats.attend(frames, mask).double().numpy()
        speech = frames.double().numpy()
        mean = (weight * speech).sum(axis=1)
        variance = (weight * speech**2).sum(axis=1) - mean**2  # Okabe et al. 2018, eq. 6
        expected = np.concatenate([mean, np.sqrt(np.maximum(variance, 1e-6))], axis=1)
        np.testing.assert_allclose(stats(frames, mask).numpy(), expected, atol=1e-5)
        weight = attention.attend(frames, mask).numpy()
        np.testing.assert_allclose(attention(frames, mask).numpy(), (weight * frames.numpy()).sum(axis=1), atol=1e-6)
        assert np.ptp(weight[2]) > 1e-3  # no plain mean


def test_layers_summed_are_their_weighted_mean():
    states = torch.randn(4, 2, 5, DIM)
    mix = LayerMix(4, DIM, join="sum")
    assert mix.out_dim == DIM
    torch.testing.assert_close(mix(states), states.mean(dim=0))  # as it begins
    with torch.no_grad():
        mix.scores.copy_(torch.tensor([0.0, 1.0, 2.0, -1.0]))
    share = torch.tensor([0.0, 1.0, 2.0, -1.0]).exp()
    share /= share.sum()
    torch.testing.assert_close(mix.weights, share)
    torch.testing.assert_close(mix(states), sum(weight * state for weight, state in zip(share, states, strict=True)))


def test_layers_side_by_side_keep_their_order_and_scale():
    states = torch.randn(4, 2, 5, DIM)
    mix = LayerMix(4, DIM, join="concat")
    assert mix.out_dim == 4 * DIM
    torch.testing.assert_close(mix(states), torch.cat(list(states), dim=-1))  # as it begins
    with torch.no_grad():
        mix.scores[2] = 1.0
    expected = torch.cat([4 * weight * state for weight, state in zip(mix.weights, states, strict=True)], dim=-1)
    torch.testing.assert_close(mix(states), expected)


def test_the_scores_of_layers_are_saved_and_learn():
    mix = LayerMix(4, DIM, join="concat")
    assert list(mix.state_dict()) == ["scores"]
    mix(torch.randn(4, 2, 5, DIM)).square().sum().backward()
    assert (mix.scores.grad != 0).all()
