"""What every registered alignment keeps: a finite scalar of any two batches, and no answer of the target is read."""

import pytest
import torch
from torch.func import functional_call

from ser_tl.transfer import ALIGNMENTS, DANN
from tests.transfer.domains import CLASSES, pair

pytestmark = pytest.mark.slow

every_alignment = pytest.mark.parametrize("name", list(ALIGNMENTS))


def build(name, dim=5):
    torch.manual_seed(1)
    return ALIGNMENTS[name](dim, CLASSES)


def sure(target, guess=None):
    """The target with confident logits, so that class-mmd has something to compare."""
    guess = torch.arange(len(target.embedding)) % CLASSES if guess is None else guess
    return target._replace(logits=20.0 * torch.nn.functional.one_hot(guess, CLASSES).float())


@every_alignment
@pytest.mark.parametrize(("ours", "theirs"), [(12, 9), (9, 30), (2, 7), (1, 7), (7, 1), (1, 1)])
def test_batches_of_any_size_give_a_finite_scalar_and_finite_gradients(name, ours, theirs):
    source, target = pair(ours, theirs)
    penalty = build(name)(source, sure(target), 0.3)
    assert penalty.shape == ()
    penalty.backward()
    assert penalty.isfinite()
    assert source.embedding.grad.isfinite().all()
    assert target.embedding.grad.isfinite().all()


@every_alignment
def test_descending_brings_the_domains_together(name):
    alignment = build(name)
    source, target = pair(24, 20, shift=2.0)
    source = source._replace(embedding=(2.0 * source.embedding.detach()).requires_grad_())
    if name == "dann":  # its gradients mean something once the discriminator knows which side is which
        optimizer = torch.optim.Adam(alignment.parameters(), 1e-2)
        for _ in range(50):
            optimizer.zero_grad()
            alignment(source, target, 0.0).backward()
            optimizer.step()
    alignment(source, sure(target), 1.0).backward()
    step = 1e-2 / max(float(source.embedding.grad.norm()), float(target.embedding.grad.norm()))
    nearer = [one._replace(embedding=one.embedding.detach() - step * one.embedding.grad) for one in (source, target)]
    before, after = alignment(source, sure(target), 1.0), alignment(nearer[0], sure(nearer[1]), 1.0)
    assert (after > before) if name == "dann" else (after < before)  # the discriminator's loss is to rise


@every_alignment
def test_the_weight_scales_what_reaches_the_embeddings(name):
    gradients = []
    for weight in (0.0, 1.0, 0.25):
        source, target = pair(12, 9, shift=1.0)
        build(name)(source, sure(target), weight).backward()
        gradients.append((source.embedding.grad, target.embedding.grad))
    for none, whole, quarter in zip(*gradients, strict=True):
        assert not none.any()
        assert whole.abs().max() > 1e-5
        torch.testing.assert_close(quarter, 0.25 * whole)


@every_alignment
def test_autocast_changes_nothing(name):
    source, target = pair(12, 9, shift=1.0)
    plain = build(name)(source, sure(target), 0.3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = build(name)(source, sure(target), 0.3)
        rounded = build(name)(source._replace(embedding=source.embedding.bfloat16()), sure(target), 0.3)
    assert inside.dtype == rounded.dtype == torch.float32
    assert torch.equal(plain, inside)
    torch.testing.assert_close(plain, rounded, atol=2e-2, rtol=2e-2)


@every_alignment
def test_order_of_the_clips_does_not_matter(name):
    source, target = pair(12, 9, shift=1.0)
    target, alignment = sure(target), build(name)
    mixed = [type(one)(*(None if part is None else part.flip(0) for part in one)) for one in (source, target)]
    torch.testing.assert_close(alignment(source, target, 0.3), alignment(*mixed, 0.3))


@every_alignment
def test_labels_of_the_target_are_refused(name):
    source, _ = pair()
    with pytest.raises(ValueError, match="pass labels=None"):
        build(name)(source, source, 0.3)


@every_alignment
def test_the_logits_of_the_target_get_no_gradient(name):
    source, target = pair(12, 9, shift=1.0)
    target = sure(target)._replace(logits=sure(target).logits.requires_grad_())
    build(name)(source, target, 1.0).backward()
    assert target.logits.grad is None


@every_alignment
def test_only_the_discriminator_has_weights_and_state_survives(name):
    alignment = build(name)
    assert bool(list(alignment.parameters())) == isinstance(alignment, DANN)
    source, target = pair(12, 9, shift=1.0)
    other = functional_call(ALIGNMENTS[name](5, CLASSES), alignment.state_dict(), (source, sure(target), 0.3))
    assert torch.equal(other, alignment(source, sure(target), 0.3))
