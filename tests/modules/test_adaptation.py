"""Classifiers adapted without labels, on Gaussians whose truth is known."""

import pytest
import torch

from ser_tl.modules.adaptation import (
    ClassSpace,
    adapt_classifier,
    estimate_shares,
    fit_means,
    measure_agreement,
    measure_variety,
    split_channels,
)
from ser_tl.modules.discriminant import build_discriminant
from ser_tl.modules.outliers import OutlierScore

CLASSES, WIDTH = 3, 24


def clips(count=90, *, means=None, shift=0.0, scale=1.0, seed=0, shares=(1, 1, 1)):
    """Gaussian classes of unit variance, then shifted and scaled; rows (n, E) and labels (n,)."""
    draw = torch.Generator().manual_seed(seed)
    weights = torch.tensor(shares, dtype=torch.float64)
    labels = torch.multinomial(weights / weights.sum(), count, replacement=True, generator=draw)
    rows = torch.randn(count, WIDTH, dtype=torch.float64, generator=draw)
    return (rows + (class_means() if means is None else means)[labels]) * scale + shift, labels


def class_means(seed=5):
    """Those of `clips`, (C, E): halves of the channels tell the classes alike."""
    return 0.6 * torch.randn(CLASSES, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def source():
    """Normalised training clips with their classifier and score: weight, bias, score, mean, deviation."""
    rows, labels = clips(600)
    mean, deviation = rows.mean(dim=0), rows.std(dim=0, correction=0)
    rows = (rows - mean) / deviation
    fitted = build_discriminant(rows, labels, CLASSES, 0.5, 1.0)
    score = OutlierScore.fit(rows, labels, CLASSES)
    return fitted.weight.detach().double(), fitted.bias.detach().double(), score, mean, deviation


def target(source, **what):
    rows, labels = clips(**what)
    return (rows - source[3]) / source[4], labels


def accuracy(rows, labels, weight, bias):
    return float(((rows @ weight.T + bias).argmax(dim=1) == labels).double().mean())


def right(rows, labels, adapted):
    return accuracy((rows - adapted.mean) / adapted.deviation, labels, adapted.weight, adapted.bias)


def test_the_space_is_fishers_where_classes_have_unit_variance(source):
    rows, labels = target(source, count=3000, seed=1)
    space = ClassSpace.from_score(source[2])
    z = space.project(rows)
    assert z.shape == (3000, CLASSES - 1)
    within = z - space.means[labels]
    shrunken = torch.cov(within.T)  # below one: half of the covariance is the shrinkage's
    assert torch.linalg.eigvalsh(shrunken).max() < 1.2
    assert torch.linalg.eigvalsh(shrunken).min() > 0.3
    answers = (rows @ source[0].T + source[1]).argmax(dim=1)
    assert (space.logits(z).argmax(dim=1) == answers).double().mean() > 0.97


def test_the_space_of_a_discriminant_has_its_logits(source):
    rows, _ = target(source, count=200, seed=1)
    space = ClassSpace.from_head(source[0], source[2])
    ours, theirs = space.logits(space.project(rows)), rows @ source[0].T + source[1]
    ours, theirs = (logits - logits.mean(dim=1, keepdim=True) for logits in (ours, theirs))
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)


def test_another_level_and_scale_of_all_channels_is_undone(source):
    shift = 3.0 * torch.randn(WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    rows, labels = target(source, shift=shift, scale=0.5, count=300, seed=2)
    adapted = adapt_classifier(*source[:3], rows, kappa=None)
    usual = accuracy(*target(source, count=300, seed=2), *source[:2])
    assert accuracy(rows, labels, *source[:2]) < usual - 0.2
    assert right(rows, labels, adapted) > usual - 0.05
    assert torch.equal(adapted.weight, source[0])  # statistics alone leave the classifier


def test_means_that_moved_are_found(source):
    moved = class_means() + 0.5 * class_means().roll(1, dims=0)  # along the directions in which they differ
    rows, labels = target(source, means=moved, count=600, seed=3)
    alone, both = (adapt_classifier(*source[:3], rows, kappa=kappa) for kappa in (None, 0.3))
    assert right(rows, labels, both) > right(rows, labels, alone) + 0.02
    held = adapt_classifier(*source[:3], rows, kappa=1e9)
    assert torch.allclose(held.weight, source[0], atol=1e-6)  # the source's means count infinitely


def test_order_of_clips_changes_nothing_and_nothing_is_random(source):
    rows, _ = target(source, count=120, shift=1.0, seed=4)
    one = adapt_classifier(*source[:3], rows, kappa=0.3)
    other = adapt_classifier(*source[:3], rows.flip(0), kappa=0.3)
    again = adapt_classifier(*source[:3], rows, kappa=0.3)
    assert torch.equal(one.weight, again.weight)
    torch.testing.assert_close(one.weight, other.weight)


def test_shares_of_emotions_are_estimated(source):
    rows, labels = target(source, count=900, shares=(6, 3, 1), seed=7)
    probabilities = (rows @ source[0].T + source[1]).softmax(dim=1)
    shares = estimate_shares(probabilities)
    assert float(shares.sum()) == pytest.approx(1.0)
    truth = torch.bincount(labels, minlength=CLASSES) / len(labels)
    assert (shares - truth).abs().max() < 0.05


def test_views_agree_less_on_one_emotion(source):
    both, one = (
        adapt_classifier(*source[:3], target(source, count=400, shares=shares, seed=8)[0], kappa=None).agreement
        for shares in ((1, 1, 1), (1, 0, 0))
    )
    assert one < both - 0.15


def test_views_agree_more_where_the_classifier_is_right_more_often(source):
    assert [len(view) for view in split_channels(7)] == [3, 4]
    near, far = target(source, count=600, seed=9)[0], target(source, count=600, means=class_means(seed=77), seed=9)[0]
    assert measure_agreement(source[2], near) > measure_agreement(source[2], far) + 0.15


def test_a_class_that_training_did_not_have_is_never_answered():
    rows, labels = clips(300)
    score = OutlierScore.fit(rows[labels != 2], labels[labels != 2], CLASSES)
    fitted = build_discriminant(rows[labels != 2], labels[labels != 2], CLASSES, 0.5, 1.0)
    adapted = adapt_classifier(fitted.weight.detach(), fitted.bias.detach(), score, rows, kappa=0.3)
    answers = ((rows - adapted.mean) / adapted.deviation @ adapted.weight.T + adapted.bias).argmax(dim=1)
    assert set(answers.tolist()) == {0, 1}
    assert all(tensor.isfinite().all() for tensor in adapted[:5])


def test_channels_that_say_nothing_in_the_target_stay_finite(source):
    rows, _ = target(source, count=60, seed=10)
    rows[:, 3] = 7.0
    adapted = adapt_classifier(*source[:3], rows, kappa=0.3)
    assert float(adapted.deviation.min()) >= 0.05
    assert adapted.weight.isfinite().all()


def test_no_round_leaves_the_means(source):
    space = ClassSpace.from_head(source[0], source[2])
    z = space.project(target(source, count=50, seed=11)[0])
    assert torch.equal(fit_means(space, z, 1.0, rounds=0).means, space.means)


@pytest.mark.parametrize(("shares", "varied"), [((1, 1, 1), True), ((6, 1, 1), True), ((1, 0, 0), False)])
def test_clips_of_one_class_have_little_variety_whatever_their_channel(source, shares, varied):
    weight, bias, score, *_ = source
    for shift, scale in ((0.0, 1.0), (3.0, 1.0), (0.0, 0.8)):
        rows, _ = target(source, count=200, seed=3, shares=shares, shift=shift, scale=scale)
        variety = adapt_classifier(weight, bias, score, rows, kappa=None).variety
        assert (variety.spread > 0.6) == varied
    nothing = measure_variety(ClassSpace.from_head(weight, score), *torch.zeros(2, 9, 2, dtype=torch.float64), 1.0)
    assert nothing.information == pytest.approx(0.0, abs=1e-9)
    assert nothing.spread == 0.0
