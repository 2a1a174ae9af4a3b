"""A discriminant that hears itself: what it gains where domains differ, and what it must not do."""

from types import SimpleNamespace

import pytest
import torch

from ser_tl.modules.discriminant import fit_discriminant
from ser_tl.training.parts.refit import EmbeddedClips
from ser_tl.training.parts.self_training import SelfTraining, balance_shares, fit_self_trained, select_confident

pytestmark = pytest.mark.slow

CLASSES, CHANNELS = 3, 12


def domain(seed, *, clips=120, turn=0.0, noise=0.8):
    """Three emotions whose means lie in a plane of twelve channels, turned by an angle."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(clips) % CLASSES
    angles = labels * (2 * torch.pi / CLASSES) + turn
    embedding = noise * torch.randn(clips, CHANNELS, generator=generator)
    embedding[:, 0] += 2 * angles.cos()
    embedding[:, 1] += 2 * angles.sin()
    return embedding, labels, [f"s{number // 3 % 6}" for number in range(clips)]


def accuracy(fit, embedding, labels):
    return float((fit.discriminant(embedding).argmax(dim=1) == labels).float().mean())


def test_a_turned_target_is_followed():
    source, target = domain(0), domain(1, turn=0.8)
    plain = fit_discriminant(*source, CLASSES)
    trained = fit_self_trained(*source, target[0], CLASSES)
    assert accuracy(plain, *target[:2]) < 0.85
    assert accuracy(trained, *target[:2]) > accuracy(plain, *target[:2]) + 0.05
    assert trained.shrinkage == plain.shrinkage


def test_without_a_round_it_is_the_sources_discriminant():
    source, target = domain(0), domain(1, turn=0.8)
    plain, none = fit_discriminant(*source, CLASSES), fit_self_trained(*source, target[0], CLASSES, rounds=0)
    assert torch.equal(plain.discriminant.weight, none.discriminant.weight)


def test_an_emotion_without_a_share_is_never_told():
    embedding, labels, speakers = domain(0)
    labels = labels.clamp_max(1)
    fit = fit_self_trained(embedding, labels, speakers, domain(1)[0], CLASSES)
    assert int(fit.discriminant(domain(2)[0]).argmax(dim=1).max()) < 2


def test_balanced_shares_add_up_both_ways():
    probabilities = torch.randn(60, 4, generator=torch.Generator().manual_seed(0)).mul(2).softmax(dim=1).double()
    shares = balance_shares(probabilities, torch.tensor([True, True, True, False]))
    assert shares.sum(dim=1).tolist() == pytest.approx([1.0] * 60)
    assert shares.sum(dim=0).tolist() == pytest.approx([20.0, 20.0, 20.0, 0.0], abs=1e-3)


def test_the_surest_share_of_each_emotion_is_believed_whatever_the_others_are():
    probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.45, 0.55], [0.4, 0.6]])
    believed, guess, weights = select_confident(probabilities, 0.5)
    assert believed.tolist() == [0, 1, 5]
    assert guess.tolist() == [0, 0, 1]
    assert weights.tolist() == [0.25, 0.25, 0.5]
    every, guess, weights = select_confident(probabilities, 1.0)
    assert sorted(every.tolist()) == list(range(6))
    assert [float(weights[guess == emotion].sum()) for emotion in (0, 1)] == [0.5, 0.5]
    assert len(select_confident(probabilities, 0.01)[0]) == 2


@pytest.mark.parametrize("elsewhere", [False, True])
def test_self_training_that_overturns_the_answers_is_refused(elsewhere):
    """Emotions in channels that are noise to the source: the rounds follow whatever they find."""
    source, target = domain(0), domain(0)[0].roll(2, dims=1) if elsewhere else domain(1, turn=0.8)[0]
    part, model = SelfTraining(), SimpleNamespace(labels=["a", "b", "c"])
    fit = part.fit(model, EmbeddedClips(*source, torch.ones(len(source[1])), target))
    plain, trained = fit_discriminant(*source, CLASSES), fit_self_trained(*source, target, CLASSES)
    expected = plain if elsewhere else trained
    assert not torch.equal(plain.discriminant.weight, trained.discriminant.weight)
    assert torch.equal(fit.discriminant.weight, expected.discriminant.weight)
    assert part.facts["self_training"]["refused"] == elsewhere
    assert [note.startswith("Self-training is refused") for note in part.notes] == [True] * elsewhere
