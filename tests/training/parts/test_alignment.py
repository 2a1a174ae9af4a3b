"""Two domains in one training: the target is heard, and its emotions are out of reach."""

from functools import cache

import pytest
import torch

from ser_tl.errors import AdaptationError, ConfigError, UnknownNameError
from ser_tl.training import Trainer
from ser_tl.training.epoch_runner import EpochRunner
from ser_tl.training.parts import DomainAlignment
from ser_tl.training.parts.alignment import compare_aligned
from ser_tl.transfer import ALIGNMENTS, AlignmentConfig, Frozen, Full
from tests.combinations import with_default
from tests.training.samples import TONES, interrupted, split_tones, tiny_model, tone_corpus, train_config, untimed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return split_tones(tone_corpus(tmp_path_factory.mktemp("tones"), takes=1))


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("target"), speakers=3, takes=1)


@pytest.fixture(scope="module")
def aligned(split, target):
    """A trainer after one epoch with each method; `none` has no target."""

    @cache
    def train(method):
        return fit(split, None if method == "none" else target, method, epochs=1)[0]

    return train


def fit(split, target, method="mmd", *, strategy=None, folder=None, resume=False, **changes):
    changes = {"epochs": 2, "batch_seconds": 2.0} | changes
    trainer = Trainer(
        tiny_model(),
        strategy or Full(),
        train_config(**changes),
        folder,
        alignment=AlignmentConfig(method, 0.3, guard=False),
    )
    history = trainer.fit(split.train, split.dev, target, resume=resume)
    return trainer, untimed(history)


@pytest.mark.parametrize("method", with_default(ALIGNMENTS, ["dann"]))
def test_the_targets_emotions_change_nothing(split, target, aligned, method):
    """Bit for bit the same model, whether the target's labels are right, wrong or unknown to the model."""
    wrong = {name: list(TONES)[place - 1] for place, name in enumerate(TONES)}
    emotions = [f"not {name}" if row % 2 else wrong[name] for row, name in enumerate(target["emotion"])]
    lying = target.remove_columns("emotion").add_column("emotion", emotions)
    other = fit(split, lying, method, epochs=1)[0].model.state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in aligned(method).model.state_dict().items())


@pytest.mark.exhaustive
@pytest.mark.parametrize("method", [name for name in ALIGNMENTS if name != "class-mmd"])
def test_an_alignment_changes_what_is_learned(aligned, method):
    weight = "encoder.model.conv1.weight"
    assert not torch.equal(aligned(method).model.state_dict()[weight], aligned("none").model.state_dict()[weight])
    assert aligned(method).facts["alignment"] == {"method": method, "weight": 0.3, "schedule": "constant"}
    assert "alignment" not in aligned("none").facts


@pytest.mark.exhaustive
def test_cached_states_of_both_domains_train_like_their_audio(split, target, tmp_path, monkeypatch):
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path))
    cached, plain = (fit(split, target, strategy=Frozen(), cache=cache)[1] for cache in (True, False))
    assert [one["dev_loss"] for one in cached] == pytest.approx([one["dev_loss"] for one in plain], abs=2e-3)


@pytest.mark.exhaustive
def test_an_aligned_training_stopped_in_the_middle_goes_on_the_same(split, target, tmp_path):
    _, whole = fit(split, target, "dann", folder=tmp_path / "whole")
    with pytest.raises(InterruptedError):
        fit(split, target, "dann", strategy=interrupted(Full(), 6), folder=tmp_path / "stopped")
    _, resumed = fit(split, target, "dann", folder=tmp_path / "stopped", resume=True)
    assert resumed == whole


def test_the_discriminator_learns_with_the_model(split, target, monkeypatch):
    trainer = Trainer(tiny_model(), Full(), train_config(epochs=1), alignment=AlignmentConfig("dann", guard=False))
    made = []
    build = EpochRunner.__init__
    monkeypatch.setattr(EpochRunner, "__init__", lambda steps, *given: made.append(steps) or build(steps, *given))
    trainer.fit(split.train, split.dev, target)
    (weight, *_) = made[0].objective.terms["alignment"].parameters()
    assert weight in made[0].optimizer.optimizer.state
    assert not any("discriminator" in name for name in trainer.model.state_dict())


def test_a_ramp_begins_at_nothing_and_ends_at_the_weight():
    trainer = Trainer(tiny_model(), Full(), train_config(), alignment=AlignmentConfig("mmd", 0.4, "ramp"))
    loss = trainer.part(DomainAlignment).loss(trainer.training)
    weights = [loss.weight(done) for done in (0.0, 0.5, 1.0)]
    assert weights[0] == 0.0
    assert weights[1] == pytest.approx(0.4 * 0.9866, abs=1e-3)
    assert weights[2] == pytest.approx(0.4, abs=1e-3)


def test_an_alignment_without_a_target_says_what_is_missing(split):
    with pytest.raises(ConfigError, match=r"no unlabelled clips of another domain.*alignment.method none"):
        fit(split, None)


def test_an_unknown_alignment_is_told_before_anything_is_encoded():
    with pytest.raises(UnknownNameError, match="no alignment called 'mdd': did you mean 'mmd'"):
        Trainer(tiny_model(), Full(), alignment=AlignmentConfig("mdd"))


@pytest.mark.exhaustive
def test_a_head_that_collapsed_is_refused(split, target, monkeypatch):
    trainer, _ = fit(split, target, "mmd", strategy=Frozen(), epochs=8)
    assert trainer.facts["alignment_agreement"] == compare_aligned(trainer.training) > 0.3
    head = trainer.model.head
    with torch.no_grad():
        [*head.parameters()][-1][0] += 1e3  # the bias of the last layer: one emotion is always answered
    assert compare_aligned(trainer.training) == pytest.approx(0.0, abs=0.25)
    monkeypatch.setattr("ser_tl.training.parts.alignment.LEAST_AGREEMENT", 1.01)
    again = Trainer(tiny_model(), Frozen(), train_config(epochs=1), alignment=AlignmentConfig("mmd"))
    with pytest.raises(AdaptationError, match=r"expected 1.01 or more. It has probably collapsed"):
        again.fit(split.train, split.dev, target)
