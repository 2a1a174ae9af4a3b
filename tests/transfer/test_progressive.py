"""Blocks join from the head down, when they are due, and gently."""

import json

import pytest
import torch

from ser_tl.errors import ConfigError
from ser_tl.training import Trainer
from ser_tl.training.epoch_runner import EpochRunner
from ser_tl.transfer import LearningRates, Partial, Progressive
from tests.training.samples import BRIEF, interrupted, tiny_model, tone_split, train_config, untimed

pytestmark = pytest.mark.slow

BLOCKS = ["front end", "layer 1", "layer 2"]  # of the tiny Whisper


def moving(model):
    return [block.name for block in model.encoder.blocks() if any(p.requires_grad for p in block.modules.parameters())]


def past(*uars):
    return [{"dev_uar": uar} for uar in uars]


@pytest.mark.parametrize(
    ("every", "epochs", "count"), [(1, 0, 0), (1, 1, 1), (1, 3, 3), (1, 9, 3), (2, 3, 1), (2, 4, 2)]
)
def test_a_block_joins_every_few_epochs(every, epochs, count):
    model, strategy = tiny_model(), Progressive(every=every)
    strategy.prepare(model)
    assert moving(model) == []
    strategy.on_epoch_start(model, past(*[0.5] * epochs))
    assert moving(model) == BLOCKS[len(BLOCKS) - count :]


@pytest.mark.parametrize(
    ("uars", "joins"),
    [
        ([0.3, 0.4, 0.5], []),
        ([0.5, 0.4, 0.4], [3]),  # two epochs without a better one
        ([0.5, 0.4, 0.6, 0.6, 0.6], [5]),
        ([0.5, 0.5, 0.5, 0.5, 0.5], [3, 5]),
    ],
)
def test_a_block_joins_when_dev_stalls(uars, joins):
    strategy = Progressive(trigger="plateau", every=2)
    assert strategy.unfreeze_epochs(past(*uars)) == joins


def test_no_more_blocks_join_than_asked_for():
    model, strategy = tiny_model(), Progressive(2)
    strategy.prepare(model)
    strategy.on_epoch_start(model, past(*[0.5] * 9))
    assert moving(model) == BLOCKS[1:]
    with pytest.raises(ConfigError, match=r"strategy.blocks is 4: the encoder has 3 blocks that reach the head"):
        Progressive(4).prepare(model)


def test_a_block_has_a_warm_up_of_its_own():
    model, strategy = tiny_model(), Progressive(every=2, warmup=1.5)
    strategy.prepare(model)
    strategy.on_epoch_start(model, past(0.5, 0.5))
    assert [strategy.lr_scale("layer 2", done) for done in (2.0, 2.75, 3.5, 9.0)] == [0.0, 0.5, 1.0, 1.0]
    assert [strategy.lr_scale(name, 2.75) for name in ("layer 1", "front end", "head")] == [0.0, 0.0, 1.0]


def test_whether_something_changed_is_told_once():
    model, strategy = tiny_model(), Progressive()
    strategy.prepare(model)
    assert [strategy.on_epoch_start(model, past(*[0.5] * count)) for count in (0, 1, 1, 2)] == [
        False,
        True,
        False,
        True,
    ]


def test_rates_fall_from_the_head_down():
    model, strategy = tiny_model(), Progressive(layer_decay=0.5)
    strategy.prepare(model)
    rates = {group["name"]: group["lr"] for group in strategy.param_groups(model, LearningRates(head=1.0, encoder=0.1))}
    assert [rates[name] for name in ("head", "layer 2", "layer 1", "front end")] == [1.0, 0.1, 0.05, 0.025]


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return tone_split(tmp_path_factory.mktemp("tones"), takes=1)


class Watched(Progressive):
    """Keeps what the optimizer's memory of the top block was when the next one joined."""

    def lr_scale(self, group, done):
        self.scales = {**getattr(self, "scales", {}), (group, int(done)): super().lr_scale(group, done)}
        return super().lr_scale(group, done)


@pytest.mark.exhaustive
def test_a_training_records_what_moved_and_keeps_the_optimizers_memory(split, monkeypatch):
    trainer = Trainer(tiny_model(), Watched(), train_config(**(BRIEF | {"epochs": 4})))
    steps = []
    build = EpochRunner.__init__
    monkeypatch.setattr(EpochRunner, "__init__", lambda own, *given: steps.append(own) or build(own, *given))
    history = trainer.fit(split.train, split.dev)
    assert [record["moving_blocks"] for record in history] == [BLOCKS[3 - count :] for count in range(4)]
    counts = [record["trainable_parameters"] for record in history]
    assert counts == sorted(set(counts))
    optimizer = steps[0].optimizer
    done = {name: state["step"] for name, state in _by_block(trainer.model, optimizer).items()}
    per_epoch = history[0]["steps"]
    assert done["layer 2"] == pytest.approx(3 * per_epoch, abs=3)  # every step since it joined, none forgotten
    assert done["layer 1"] == pytest.approx(2 * per_epoch, abs=3)


def _by_block(model, optimizer):
    states = optimizer.optimizer.state
    return {
        block.name: states[next(one for one in block.modules.parameters() if one in states)]
        for block in model.encoder.blocks()
    }


@pytest.mark.exhaustive
def test_a_training_stopped_in_the_middle_goes_on_the_same(split, tmp_path):
    def fit(folder, strategy, *, resume=False):
        config = train_config(**(BRIEF | {"epochs": 3}))
        history = Trainer(tiny_model(), strategy, config, folder).fit(split.train, split.dev, resume=resume)
        return json.loads(json.dumps(untimed(history)))

    whole = fit(tmp_path / "whole", Progressive())
    with pytest.raises(InterruptedError):
        fit(tmp_path / "stopped", interrupted(Progressive(), 13))
    assert fit(tmp_path / "stopped", Progressive(), resume=True) == whole


def test_frozen_blocks_stay_bit_for_bit_until_they_join_and_less_moves_than_partially_unfrozen(split):
    model = tiny_model()
    before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    (first,) = Trainer(model, Progressive(), train_config(epochs=1)).fit(split.train, split.dev)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.encoder.state_dict().items())
    (partial,) = Trainer(tiny_model(), Partial(1), train_config(epochs=1)).fit(split.train, split.dev)
    assert first["trainable_parameters"] < partial["trainable_parameters"]
