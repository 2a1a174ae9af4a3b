"""MMD against two loops, and the properties that make it an estimate worth descending on."""

import numpy as np
import pytest
import torch

from ser_tl.transfer import ALIGNMENTS, Domain
from ser_tl.transfer.mmd import SCALES, pair_kernel, squared_mmd
from tests.transfer.domains import CLASSES, domain, pair


def by_loops(source, target):
    """Gretton et al. 2012, eq. 3, term by term; the kernel as documented."""
    clips = np.concatenate([source, target]).astype(np.float64)
    pairs = [np.sum((clips[i] - clips[j]) ** 2) for i in range(len(clips)) for j in range(i)]
    median = sorted(pairs)[(len(pairs) - 1) // 2]

    def kernel(one, other):
        return np.mean([np.exp(-np.sum((one - other) ** 2) / (scale * median)) for scale in SCALES])

    def within(rows):
        total = sum(kernel(rows[i], rows[j]) for i in range(len(rows)) for j in range(len(rows)) if i != j)
        return total / (len(rows) * (len(rows) - 1))

    across = np.mean([kernel(one, other) for one in source for other in target])
    return within(source) + within(target) - 2 * across


def mmd(source, target, weight=1.0):
    return ALIGNMENTS["mmd"](source.embedding.shape[1], CLASSES)(source, target, weight)


@pytest.mark.parametrize(("ours", "theirs", "shift"), [(12, 9, 0.0), (7, 15, 1.0), (2, 2, 0.5), (10, 10, 4.0)])
def test_it_is_the_double_sum_of_the_paper(ours, theirs, shift):
    source, target = pair(ours, theirs, shift=shift)
    expected = by_loops(source.embedding.detach().numpy(), target.embedding.detach().numpy())
    assert mmd(source, target).item() == pytest.approx(expected, abs=2e-6)
    assert mmd(source, target, 0.3).item() == pytest.approx(0.3 * expected, abs=1e-6)


@pytest.mark.slow
def test_between_equal_distributions_it_is_zero_on_average_and_a_biased_sum_is_not():
    found, biased = [], []
    for seed in range(400):
        source, target = pair(8, 13, seed=seed)
        found.append(mmd(source, target).item())
        kernel = pair_kernel(torch.cat([source.embedding, target.embedding]).detach()) + torch.eye(21)
        biased.append(float(kernel[:8, :8].mean() + kernel[8:, 8:].mean() - 2 * kernel[:8, 8:].mean()))
    error = np.std(found) / len(found) ** 0.5
    assert error > 1e-4  # it does vary
    assert abs(np.mean(found)) < 3 * error
    assert np.mean(biased) > 20 * error
    assert min(found) < 0


def test_it_grows_with_the_distance_between_the_domains():
    values = [mmd(*pair(60, 60, shift=shift)).item() for shift in (0.0, 0.5, 1.0, 2.0, 4.0)]
    assert values == sorted(values)
    assert values[-1] > 0.5
    assert abs(values[0]) < 0.02


def test_it_sees_what_means_and_variances_do_not():
    draw = torch.Generator().manual_seed(0)
    normal = torch.randn(400, 1, generator=draw)
    coin = torch.randn(400, 1, generator=draw).sign()  # mean 0 and variance 1 as well
    other = torch.randn(400, 1, generator=draw)
    logits = torch.zeros(400, CLASSES)
    source, target, same = Domain(normal, logits, None), Domain(coin, logits, None), Domain(other, logits, None)
    assert mmd(source, target) > 20 * mmd(source, same).abs()


def test_units_do_not_matter_and_neither_does_a_common_offset():
    source, target = pair(12, 9, shift=1.0)
    scaled = [one._replace(embedding=1000.0 * one.embedding.detach() + 7000.0) for one in (source, target)]
    assert mmd(*scaled).item() == pytest.approx(mmd(source, target).item(), abs=1e-4)


def test_the_bandwidth_is_a_unit_through_which_no_gradient_flows():
    source, target = pair(6, 5, shift=1.0)
    mmd(source, target).backward()
    clips = torch.cat([source.embedding, target.embedding]).detach().double()
    distances = torch.cdist(clips, clips).square()
    median = distances[torch.ones(11, 11).triu(diagonal=1).bool()].median()
    clips.requires_grad_()
    kernel = sum((-(clips[:, None] - clips).square().sum(-1) / (scale * median)).exp() for scale in SCALES) / 5
    kernel = kernel * (1 - torch.eye(11))
    (kernel[:6, :6].sum() / 30 + kernel[6:, 6:].sum() / 20 - 2 * kernel[:6, 6:].mean()).backward()
    torch.testing.assert_close(source.embedding.grad, clips.grad[:6].float(), atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(target.embedding.grad, clips.grad[6:].float(), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(("ours", "theirs"), [(1, 9), (9, 1), (1, 1)])
def test_one_clip_has_nothing_to_compare(ours, theirs):
    source, target = pair(ours, theirs, shift=3.0)
    penalty = mmd(source, target)
    penalty.backward()
    assert penalty == 0
    assert not source.embedding.grad.any()
    assert not target.embedding.grad.any()


def test_clips_that_are_all_the_same_are_no_distance_apart():
    same = domain(6)._replace(embedding=torch.full((6, 5), 3.0, requires_grad=True))
    penalty = mmd(same, same)
    penalty.backward()
    assert penalty.item() == pytest.approx(0.0, abs=1e-6)
    assert same.embedding.grad.isfinite().all()


def test_groups_are_compared_apart():
    source, target = pair(12, 9, shift=1.0)
    kernel = pair_kernel(torch.cat([source.embedding, target.embedding]))
    ours, theirs = torch.zeros(12, 2), torch.zeros(9, 2)
    ours[:5, 0], ours[5:, 1], theirs[:4, 0], theirs[8, 1] = 1, 1, 1, 1
    values = squared_mmd(kernel, ours, theirs)
    k = kernel.detach().numpy()
    expected = k[:5, :5].sum() / 20 + k[12:16, 12:16].sum() / 12 - 2 * k[:5, 12:16].mean()
    assert values[0].item() == pytest.approx(expected, abs=1e-6)
    assert values[1] == 0  # one clip of the target
