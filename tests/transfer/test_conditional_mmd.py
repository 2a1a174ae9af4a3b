"""Class by class: what is compared with what, and what is left out."""

import pytest
import torch
from torch.nn import functional

from ser_tl.errors import ConfigError
from ser_tl.transfer import MMD, LocalMMD
from ser_tl.transfer.mmd import pair_kernel
from tests.transfer.domains import CLASSES, domain, pair


def guessing(target, guesses, confidence=20.0):
    return target._replace(logits=confidence * functional.one_hot(torch.tensor(guesses), CLASSES).float())


def test_it_is_the_mean_over_clips_of_the_discrepancies_within_classes():
    source, target = pair(12, 9, shift=0.5)
    target = guessing(target, [0, 0, 0, 1, 1, 2, 2, 2, 2])
    k = pair_kernel(torch.cat([source.embedding, target.embedding])).detach().numpy()
    expected = 0.0
    for label, theirs in enumerate([range(12, 15), range(15, 17), range(17, 21)]):
        ours = range(label, 12, CLASSES)
        within = sum(k[i, j] for i in ours for j in ours if i != j) / (len(ours) * (len(ours) - 1))
        within += sum(k[i, j] for i in theirs for j in theirs if i != j) / (len(theirs) * (len(theirs) - 1))
        across = sum(k[i, j] for i in ours for j in theirs) / (len(ours) * len(theirs))
        expected += len(theirs) / 9 * (within - 2 * across)
    assert LocalMMD(5, CLASSES)(source, target, 0.3).item() == pytest.approx(0.3 * expected, abs=1e-6)


def test_with_one_class_it_is_plain_mmd():
    source, target = pair(12, 9, shift=0.5)
    source, target = source._replace(labels=torch.ones(12, dtype=torch.long)), guessing(target, [1] * 9)
    torch.testing.assert_close(LocalMMD(5, CLASSES)(source, target, 0.3), MMD(5, CLASSES)(source, target, 0.3))


def test_domains_of_unlike_proportions_are_no_further_apart_than_their_classes():
    source, target = domain(90, labelled=True), domain(90, seed=7)
    guesses = [0] * 70 + [1] * 10 + [2] * 10
    place = 6.0 * torch.eye(5)[:CLASSES]
    source = source._replace(embedding=source.embedding.detach() + place[source.labels])
    target = guessing(target._replace(embedding=target.embedding.detach() + place[torch.tensor(guesses)]), guesses)
    assert MMD(5, CLASSES)(source, target, 1.0) > 0.03
    assert LocalMMD(5, CLASSES)(source, target, 1.0).abs() < 0.01


def test_classes_absent_from_either_side_contribute_nothing():
    source, target = pair(12, 9, shift=3.0)
    alone = guessing(target, [0] * 8 + [1])  # class 2 is absent, of class 1 there is a single clip
    LocalMMD(5, CLASSES)(source, alone, 1.0).backward()
    assert source.embedding.grad[source.labels == 0].abs().min() > 0
    assert not source.embedding.grad[source.labels != 0].any()
    assert not target.embedding.grad[8].any()
    lacking = source._replace(labels=torch.zeros(12, dtype=torch.long))
    assert LocalMMD(5, CLASSES)(lacking, guessing(target, [1] * 9), 1.0) == 0


def test_clips_below_the_threshold_are_not_believed():
    source, target = pair(12, 9, shift=3.0)
    logits = guessing(target, [0] * 9).logits
    logits[4:] = torch.tensor([1.0, 0.0, 0.0])  # probability 0.58
    target = target._replace(logits=logits)
    LocalMMD(5, CLASSES, threshold=0.8)(source, target, 1.0).backward()
    assert target.embedding.grad[:4].abs().min() > 0
    assert not target.embedding.grad[4:].any()
    target.embedding.grad = None
    LocalMMD(5, CLASSES, threshold=0.5)(source, target, 1.0).backward()
    assert target.embedding.grad[4:].abs().min() > 0


def test_with_no_sure_clip_there_is_no_penalty():
    source, target = pair(12, 9, shift=3.0)
    penalty = LocalMMD(5, CLASSES)(source, target._replace(logits=torch.zeros(9, CLASSES)), 1.0)
    penalty.backward()
    assert penalty == 0
    assert not source.embedding.grad.any()
    assert not target.embedding.grad.any()


def test_a_source_without_labels_and_an_impossible_threshold_are_refused():
    _, target = pair()
    with pytest.raises(ValueError, match="source's labels"):
        LocalMMD(5, CLASSES)(target, target, 1.0)
    with pytest.raises(ConfigError, match="expected a probability"):
        LocalMMD(5, CLASSES, threshold=80)
