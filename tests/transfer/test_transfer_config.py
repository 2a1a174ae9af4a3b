"""Layer decay and the pull back to the pretrained weights, and options that contradict each other."""

import pytest
import torch

from ser_tl.errors import ConfigError
from ser_tl.transfer import STRATEGIES, AlignmentConfig, Full, LearningRates, Partial, Progressive
from ser_tl.transfer.l2sp import L2SP
from tests.training.samples import tiny_model

RATES = LearningRates(head=1.0, encoder=0.1)


@pytest.mark.parametrize(("strategy", "names"), [(Full(layer_decay=0.5), 3), (None, 2)])
def test_layer_decay_gives_each_block_a_share_of_the_rate_above_it(strategy, names):
    model, strategy = tiny_model(), strategy or Partial(2, layer_decay=0.5)
    strategy.prepare(model)
    groups = strategy.param_groups(model, RATES)
    rates = {group["name"]: group["lr"] for group in groups if not group["name"].endswith("(no decay)")}
    wanted = {"head": 1.0, "layer 2": 0.1, "layer 1": 0.05, "front end": 0.025}
    assert rates == dict(list(wanted.items())[: names + 1])
    held = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(one) for one in model.parameters() if one.requires_grad)


def test_the_penalty_is_half_the_squared_distance_and_pulls_straight_back():
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    penalty = L2SP([weight], weight=3.0)
    assert float(penalty()) == 0.0
    with torch.no_grad():
        weight += torch.tensor([0.5, 2.0])
    penalty().backward()
    assert float(penalty()) == pytest.approx(0.5 * 3.0 * (0.25 + 4.0))
    assert weight.grad.tolist() == pytest.approx([1.5, 6.0])


def test_what_is_frozen_is_not_pulled():
    weight = torch.nn.Parameter(torch.ones(2))
    penalty = L2SP([weight], weight=1.0)
    weight.requires_grad_(False)
    assert penalty() is None


@pytest.mark.parametrize("strategy", ["partial", "progressive", "full"])
def test_the_pull_replaces_weight_decay_of_pretrained_weights_only(strategy):
    model, chosen = tiny_model(), STRATEGIES[strategy](l2sp=0.1)
    chosen.prepare(model)
    for group in chosen.param_groups(model, RATES):
        own = group["name"].startswith("head")
        assert group.get("weight_decay") == (None if own and group["name"] == "head" else 0.0)


def test_the_pull_keeps_a_training_near_its_start():
    def distance(weight):
        model = tiny_model()
        before = [one.detach().clone() for one in model.encoder.parameters()]
        strategy = Full(l2sp=weight)
        strategy.prepare(model)
        optimizer = torch.optim.SGD(strategy.param_groups(model, LearningRates(head=0.1, encoder=0.1)))
        for _ in range(5):
            optimizer.zero_grad()
            states = model.encoder(torch.sin(torch.arange(4000) / 9)[None], torch.tensor([4000])).states
            loss, penalty = states.square().mean(), strategy.penalty(None, None)
            (loss if penalty is None else loss + penalty).backward()
            optimizer.step()
        return sum(
            float((one - old).square().sum()) for one, old in zip(model.encoder.parameters(), before, strict=True)
        )

    assert distance(5.0) < 0.7 * distance(0.0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Full(layer_decay=0.0), "layer_decay is 0.0: expected more than 0"),
        (lambda: Partial(layer_decay=1.1), "layer_decay is 1.1"),
        (lambda: Progressive(every=0), "every is 0: expected 1 or more"),
        (lambda: Full(l2sp=-1.0), "l2sp is -1.0: expected 0 or more"),
        (lambda: Progressive(warmup=-1.0), "warmup is -1.0"),
        (lambda: Progressive(trigger="stall"), "trigger is 'stall': expected epochs or plateau"),
        (lambda: AlignmentConfig(weight=0.0), "alignment.method none aligns nothing"),
        (lambda: AlignmentConfig(weight=1.0), "expected a share of the loss between 0 and 1"),
    ],
)
def test_impossible_values_are_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()
