"""Two domains in one training: the target is heard, and its emotions are out of reach."""

import pytest
import torch
from datasets import Value

from ser_tl.errors import ConfigError, UnknownNameError
from ser_tl.training import Trainer
from ser_tl.training.epoch_runner import EpochRunner
from ser_tl.training.parts import DomainAlignment
from ser_tl.transfer import ALIGNMENTS, AlignmentConfig, Frozen, Full
from tests.training.samples import TONES, interrupted, split_tones, tiny_model, tone_corpus, train_config, untimed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return split_tones(tone_corpus(tmp_path_factory.mktemp("tones"), takes=1))


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("target"), speakers=3, takes=1)


@pytest.fixture(scope="module")
def plain(split):
    """A training without a target."""
    return fit(split, None, "none")


def fit(split, target, method="mmd", *, strategy=None, folder=None, resume=False, **changes):
    changes = {"epochs": 2, "batch_seconds": 2.0} | changes
    trainer = Trainer(
        tiny_model(), strategy or Full(), train_config(**changes), folder, alignment=AlignmentConfig(method, 0.3)
    )
    history = trainer.fit(split.train, split.dev, target, resume=resume)
    return trainer, untimed(history)


@pytest.mark.parametrize("method", list(ALIGNMENTS))
def test_the_targets_emotions_change_nothing(split, target, method):
    """Bit for bit the same model, whatever the target's labels are."""
    wrong = {name: list(TONES)[place - 1] for place, name in enumerate(TONES)}
    lying = target.map(lambda row: {"emotion": wrong[row["emotion"]]}).cast_column("emotion", Value("string"))
    strange = target.map(lambda row: {"emotion": f"not {row['emotion']}"})
    models = [fit(split, corpus, method, epochs=1)[0].model.state_dict() for corpus in (target, lying, strange)]
    for other in models[1:]:
        assert all(torch.equal(tensor, other[name]) for name, tensor in models[0].items())


@pytest.mark.parametrize("method", [name for name in ALIGNMENTS if name != "class-mmd"])
def test_an_alignment_changes_what_is_learned(split, target, plain, method):
    aligned = fit(split, target, method)
    assert not torch.equal(
        aligned[0].model.state_dict()["encoder.model.conv1.weight"],
        plain[0].model.state_dict()["encoder.model.conv1.weight"],
    )
    assert aligned[0].facts["alignment"] == {"method": method, "weight": 0.3, "schedule": "constant"}
    assert "alignment" not in plain[0].facts


def test_cached_states_of_both_domains_train_like_their_audio(split, target, tmp_path, monkeypatch):
    monkeypatch.setenv("SER_TL_CACHE", str(tmp_path))
    cached, plain = (fit(split, target, strategy=Frozen(), cache=cache)[1] for cache in (True, False))
    assert [one["dev_loss"] for one in cached] == pytest.approx([one["dev_loss"] for one in plain], abs=2e-3)


def test_an_aligned_training_stopped_in_the_middle_goes_on_the_same(split, target, tmp_path):
    _, whole = fit(split, target, "dann", folder=tmp_path / "whole")
    with pytest.raises(InterruptedError):
        fit(split, target, "dann", strategy=interrupted(Full(), 6), folder=tmp_path / "stopped")
    _, resumed = fit(split, target, "dann", folder=tmp_path / "stopped", resume=True)
    assert resumed == whole


def test_the_discriminator_learns_with_the_model(split, target, monkeypatch):
    trainer = Trainer(tiny_model(), Full(), train_config(epochs=1), alignment=AlignmentConfig("dann"))
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
