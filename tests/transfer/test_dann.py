"""The reversal's sign and strength, and that the two sides play against each other."""

import math

import pytest
import torch

from ser_tl.transfer import DANN, dann_schedule
from ser_tl.transfer.dann import reverse_gradient
from tests.transfer.domains import CLASSES, domain, pair


def test_reversal_keeps_values_and_turns_gradients_round():
    values = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    out = reverse_gradient(values, 0.25)
    assert torch.equal(out, values)
    (out * torch.tensor([1.0, 10.0, -4.0])).sum().backward()
    assert values.grad.tolist() == [-0.25, -2.5, 1.0]


def test_embeddings_climb_what_the_discriminator_descends():
    torch.manual_seed(0)
    alignment, (source, target) = DANN(5, CLASSES), pair(12, 9, shift=1.0)
    alignment(source, target, 0.3).backward()
    learned = [parameter.grad.clone() for parameter in alignment.parameters()]
    plain = [one.embedding.detach().clone().requires_grad_() for one in (source, target)]
    alignment.zero_grad()
    ours, theirs = (alignment.discriminator(embedding) for embedding in plain)
    loss = -0.5 * (ours.sigmoid().log().mean() + (1 - theirs.sigmoid()).log().mean())
    loss.backward()
    for found, parameter in zip(learned, alignment.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad)  # full strength, whatever the weight
    torch.testing.assert_close(source.embedding.grad, -0.3 * plain[0].grad)
    torch.testing.assert_close(target.embedding.grad, -0.3 * plain[1].grad)
    assert alignment(source, target, 0.3).item() == pytest.approx(loss.item())


def test_an_untold_domain_costs_ln_2_and_each_has_half_of_the_say():
    alignment = DANN(5, CLASSES)
    torch.nn.init.zeros_(alignment.discriminator[-1].weight)
    torch.nn.init.constant_(alignment.discriminator[-1].bias, 2.0)  # sure that all is source
    value = alignment(domain(90, labelled=True), domain(3), 1.0).item()
    assert value == pytest.approx(0.5 * (math.log1p(math.exp(-2)) + math.log1p(math.exp(2))))
    torch.nn.init.zeros_(alignment.discriminator[-1].bias)
    assert alignment(domain(90, labelled=True), domain(3), 1.0).item() == pytest.approx(math.log(2))


def play(weight):
    """How far the target goes when its place is learned against the discriminator."""
    torch.manual_seed(0)
    (source, target), alignment = pair(100, 100, dim=2, shift=2.0), DANN(2, CLASSES, hidden=16)
    move = torch.zeros(2, requires_grad=True)  # of the target
    optimizer = torch.optim.Adam([move, *alignment.parameters()], 2e-2)
    for _ in range(300):
        optimizer.zero_grad()
        alignment(source, target._replace(embedding=target.embedding.detach() + move), weight).backward()
        optimizer.step()
    return move.detach()


@pytest.mark.exhaustive
@pytest.mark.slow
def test_the_target_moves_to_where_it_cannot_be_told():
    assert not play(0.0).any()
    assert (play(1.0) + 2.0).abs().max() < 0.6


def test_ramp_rises_from_nothing_to_one():
    steps = [dann_schedule(done / 10) for done in range(11)]
    assert steps[0] == 0
    assert steps == sorted(steps)
    assert steps[1] == pytest.approx(math.tanh(0.5))
    assert 0.9999 < steps[-1] < 1
