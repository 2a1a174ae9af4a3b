"""The supervised contrastive loss: by hand, in a training, and a part of one's own beside it."""

from dataclasses import dataclass

import pytest
import torch

from ser_tl.data.batching import Batch
from ser_tl.errors import ConfigError, UnknownNameError
from ser_tl.model import Output
from ser_tl.options import Options, parse
from ser_tl.run import build_trainer
from ser_tl.training import Trainer
from ser_tl.training.part import Losses, Part, Step
from ser_tl.training.parts import build_parts
from ser_tl.training.parts.contrastive import ContrastiveLoss, SupervisedContrastive
from ser_tl.transfer import Frozen, Full
from tests.training.samples import BRIEF, interrupted, tiny_model, tone_split, train_config, untimed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return tone_split(tmp_path_factory.mktemp("tones"), takes=1)


def lost(hidden, labels, **options):
    """The added loss of each clip, with hidden layers that are projected to themselves."""
    config = SupervisedContrastive(weight=1.0, width=hidden.shape[1], **options)
    term = ContrastiveLoss(config, hidden.shape[1])
    torch.nn.init.eye_(term.project.weight)
    torch.nn.init.zeros_(term.project.bias)
    count = len(labels)
    batch = Batch(torch.zeros(count, 1), torch.ones(count), torch.tensor(labels), [""] * count)
    output = Output(hidden, hidden, hidden)
    losses = Losses(torch.zeros(count), torch.zeros(()), torch.zeros(()))
    return term(Step(output, batch, None, 0.0, None), losses).utterances


def test_the_loss_is_its_formula():
    hidden, labels, heat = torch.randn(6, 4, generator=torch.manual_seed(0)), [0, 1, 0, 1, 2, 0], 0.5
    unit = hidden / hidden.norm(dim=1, keepdim=True)
    found = []
    for anchor, label in enumerate(labels):
        others = [place for place in range(6) if place != anchor]
        total = sum(torch.exp(unit[anchor] @ unit[place] / heat) for place in others)
        logs = [
            torch.log(torch.exp(unit[anchor] @ unit[place] / heat) / total)
            for place in others
            if labels[place] == label
        ]
        found.append(-sum(logs) / len(logs) if logs else torch.tensor(0.0))
    torch.testing.assert_close(lost(hidden, labels, temperature=heat), torch.stack(found))


def test_a_clip_alone_costs_nothing_and_has_a_gradient():
    hidden = torch.randn(1, 4, requires_grad=True)
    loss = lost(hidden, [0])
    assert loss.tolist() == [0.0]
    loss.sum().backward()
    assert hidden.grad.isfinite().all()


@pytest.mark.exhaustive
def test_emotions_lie_apart_after_a_training_with_it(tmp_path):
    split = tone_split(tmp_path, takes=2)

    def similarity(parts):
        trainer = Trainer(tiny_model(dropout=0.0), Full(), train_config(epochs=6, batch_seconds=8.0), parts=parts)
        trainer.fit(split.train, split.dev)
        shown = [trainer.model.predict(row["audio"]["path"], embedding=True).embedding for row in split.train]
        hidden = trainer.model.head.forward_features(torch.tensor(shown))
        unit = torch.nn.functional.normalize(hidden, dim=1)
        labels = torch.tensor([trainer.model.labels.index(name) for name in split.train["emotion"]])
        alike = labels[:, None] == labels
        return float(((unit @ unit.T)[alike].mean() - (unit @ unit.T)[~alike].mean()).detach()), trainer

    (plain, _), (apart, trainer) = similarity([]), similarity([SupervisedContrastive(weight=2.0)])
    assert apart > plain
    assert trainer.facts["contrastive"] == {"weight": 2.0, "temperature": 0.1, "width": 128}
    assert not any("project" in name and "contrastive" in name for name in trainer.model.state_dict())


def test_its_projection_learns_and_is_resumed(split, tmp_path):
    def fit(folder, strategy, *, resume=False):
        trainer = Trainer(tiny_model(), strategy, train_config(**BRIEF), folder, parts=[SupervisedContrastive()])
        history = trainer.fit(split.train, split.dev, resume=resume)
        assert "contrastive" in history[-1]["learning_rates"]
        return untimed(history)

    whole = fit(tmp_path / "whole", Full())
    with pytest.raises(InterruptedError):
        fit(tmp_path / "stopped", interrupted(Full(), 8))
    assert fit(tmp_path / "stopped", Full(), resume=True) == whole


def test_the_command_line_takes_it(tmp_path):
    options = parse(Options, "", ["--parts", "{contrastive: {weight: 0.3}}", "--train.tracker", "none"])
    trainer = build_trainer(options, tiny_model(), tmp_path)
    assert trainer.part(SupervisedContrastive) == SupervisedContrastive(weight=0.3)
    assert build_parts({"contrastive": None}) == [SupervisedContrastive()]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"contrastive": {"wait": 1}}, r"contrastive has no options \['wait'\]: expected some of weight, temperature"),
        ({"contrastive": 0.5}, r"contrastive has no options \[0.5\]"),
        ({"contrastive": {"temperature": 0}}, r"parts.contrastive.temperature is 0: expected more than 0"),
        ({"balance": {}}, r"balance is part of every training: set its own options"),
    ],
)
def test_options_that_are_none_are_refused(parts, message):
    with pytest.raises(ConfigError, match=message):
        Options(parts=parts)


def test_an_unknown_part_and_unknown_options_name_those_that_are_known(split):
    with pytest.raises(UnknownNameError, match="no part called 'contrastiv': did you mean 'contrastive'"):
        Options(parts={"contrastiv": {}})
    with pytest.raises(ConfigError, match=r"options called balanced: known are labels, augment, .*contrastive"):
        Trainer(tiny_model(), Frozen(), balanced=None)


@pytest.mark.exhaustive
def test_a_part_of_ones_own_hears_of_every_stage(split):
    """What the contract promises: in this order, each once a training, or once a step or an epoch."""
    seen = []

    @dataclass
    class Watching(Part):
        order = 0

        def bind(self, training):
            seen.append("bind")

        def check(self, training):
            assert training.train is split.train
            seen.append("check")

        def tables(self, training):
            seen.append("tables")
            return {"row": torch.arange(len(split.train)).numpy()}

        def prepare(self, training, clips):
            seen.append("prepare")
            return clips

        def augment(self, batch, *position):
            assert len(position) == 4
            names = [split.train["id"][row] for row in batch.auxiliary["row"].tolist()]
            assert names == batch.ids
            seen.append("augment")
            return batch, None

        def dev_loss(self, training, predictions, loss):
            seen.append("dev_loss")
            return loss + 1.0

        def on_best(self, model, record):
            seen.append("on_best")

        def finish(self, training):
            seen.append("finish")

    trainer = Trainer(tiny_model(dropout=0.0), Frozen(), train_config(epochs=1), parts=[Watching()])
    history = trainer.fit(split.train, split.dev)
    plain = Trainer(tiny_model(dropout=0.0), Frozen(), train_config(epochs=1)).fit(split.train, split.dev)
    steps = ["augment"] * history[0]["steps"]
    assert seen == ["bind", "check", "tables", "prepare", *steps, "dev_loss", "on_best", "finish"]
    assert history[0]["dev_loss"] == pytest.approx(plain[0]["dev_loss"] + 1.0)
    assert history[0]["train_loss"] == plain[0]["train_loss"]
