"""Augmentation in training: resumed to the last bit, on training clips alone, on audio and on cached states."""

import pytest
import torch

from ser_tl.augment import AugmentConfig, Chain
from ser_tl.cache.cached import CachedClips
from ser_tl.data.batching import Batch, UtteranceDataset
from ser_tl.errors import ConfigError
from ser_tl.inference.clips import forward_batch
from ser_tl.modules.losses import Criterion, cross_entropy
from ser_tl.training import Trainer
from ser_tl.training.epoch_runner import EpochRunner
from ser_tl.training.objective import Objective
from ser_tl.training.parts.balance import BalanceConfig
from ser_tl.transfer import STRATEGIES, Frozen, Full
from tests.training.samples import (
    BRIEF,
    TONES,
    interrupted,
    tiny_model,
    tone_split,
    train_config,
    training_clips,
    untimed,
)

pytestmark = pytest.mark.slow

EVERYTHING = AugmentConfig("everything", {"mask-mel": {}})
"""The tiny model's encoder is a Whisper, which has a log-mel front end."""


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    return tone_split(tmp_path_factory.mktemp("tones"), takes=1)


def fitted(split, augment, *, strategy=None, folder=None, resume=False, model=None, **changes):
    model = model or tiny_model()
    trainer = Trainer(model, strategy or Full(), train_config(**(BRIEF | changes)), folder, augment=augment)
    trainer.fit(split.train, split.dev, resume=resume)
    return trainer


@pytest.mark.exhaustive
def test_resuming_in_the_middle_of_an_epoch_hears_the_same(split, tmp_path):
    usual = {"accumulate": 2, "save_every": 1}
    whole = fitted(split, EVERYTHING, folder=tmp_path / "whole", **usual)
    with pytest.raises(InterruptedError):
        fitted(split, EVERYTHING, folder=tmp_path / "stopped", strategy=interrupted(Full(), 10), **usual)
    (state,) = (tmp_path / "stopped" / "states").iterdir()
    assert state.name == "step_00000005"  # two steps of two batches into the second epoch of three
    resumed = fitted(split, EVERYTHING, folder=tmp_path / "stopped", resume=True, **usual)
    assert untimed(resumed.history) == untimed(whole.history)


def test_augmentation_moves_the_training_and_its_absence_is_the_default(split):
    plain, none, moved = (fitted(split, own, epochs=1) for own in (None, AugmentConfig(), EVERYTHING))
    assert untimed(plain.history) == untimed(none.history)
    assert plain.history[0]["train_loss"] != moved.history[0]["train_loss"]
    assert "augment" not in plain.facts
    assert moved.facts["augment"]["noise"]["snr"] == (15.0, 25.0)
    assert list(moved.facts["augment"]) == list(EVERYTHING.transform_options)


def test_no_clip_of_dev_or_test_is_ever_changed_and_no_voice_is_theirs(split, monkeypatch):
    """Training clips alone go through the chain, each once an epoch, and are babbled with; the refit's don't."""
    changed, voices = [], []
    call, take, get = Chain.__call__, Chain.prepare, UtteranceDataset.__getitem__

    def watched(self, batch, *place):
        changed.extend(batch.ids)
        return call(self, batch, *place)

    def listening(self, clips):
        def heard(utterances, index):
            clip = get(utterances, index)
            voices.append(clip.id)
            return clip

        monkeypatch.setattr(UtteranceDataset, "__getitem__", heard)
        take(self, clips)
        monkeypatch.setattr(UtteranceDataset, "__getitem__", get)

    monkeypatch.setattr(Chain, "__call__", watched)
    monkeypatch.setattr(Chain, "prepare", listening)
    trainer = fitted(split, EVERYTHING, refit="discriminant")
    report = trainer.evaluate(split.test)
    train = set(split.train["id"])
    assert set(changed) == train
    assert len(changed) == 2 * len(train)
    assert voices
    assert set(voices) <= train

    monkeypatch.undo()
    again = Trainer(trainer.model, Full(), train_config()).evaluate(split.test)
    assert (again.predictions.probabilities == report.predictions.probabilities).all()


@pytest.mark.exhaustive
def test_statistics_are_those_of_clips_as_they_are(split):
    plain, augmented = (fitted(split, own, strategy=Frozen(), epochs=1).model for own in (None, EVERYTHING))
    assert torch.equal(plain.standardise_states.mean, augmented.standardise_states.mean)
    assert torch.equal(plain.standardise_states.deviation, augmented.standardise_states.deviation)


@pytest.mark.parametrize(
    ("name", "cached"),
    [
        ("noise", False),
        pytest.param("mask-mel", False, marks=pytest.mark.exhaustive),
        pytest.param("mask", True, marks=pytest.mark.exhaustive),
        ("mixup-embedding", True),
    ],
)
def test_cached_states_serve_where_the_audio_stays(split, name, cached, monkeypatch):
    seen = []
    run = EpochRunner.run_epoch

    def watched(self, clips, *rest):
        seen.append(clips)
        run(self, clips, *rest)

    monkeypatch.setattr(EpochRunner, "run_epoch", watched)
    trainer = fitted(split, AugmentConfig(transforms={name: {}}), strategy=Frozen(), epochs=1)
    assert isinstance(seen[0], CachedClips) == cached
    assert isinstance(trainer.features.load_clips(split.dev), CachedClips)


def test_a_mask_needs_all_frames_of_cached_clips(split):
    """Pooling by mean would do with one frame a clip, which a mask can't blank in part."""
    for augment, whole in ((None, False), (AugmentConfig(transforms={"mask": {}}), True)):
        trainer = Trainer(tiny_model(pooling="mean"), Frozen(), train_config(), augment=augment)
        clip = training_clips(trainer, split)[0]
        assert (len(clip.states[0].residual) > 1) == whole


def test_masks_on_mel_act_in_training_steps_only(split):
    model = tiny_model(dropout=0.0).eval()
    chain = Chain(AugmentConfig(transforms={"mask-mel": {"bands": 0.5}}), 3, longest=12.0)
    clips = [UtteranceDataset(split.train, list(TONES), model.audio, training=True)[place] for place in range(3)]
    waveform = torch.nn.utils.rnn.pad_sequence([clip.waveform for clip in clips], batch_first=True)
    lengths = torch.tensor([len(clip.waveform) for clip in clips])
    batch = Batch(waveform, lengths, torch.tensor([0, 1, 2]), [""] * 3)
    plain = forward_batch(model, batch).logits
    disturbed = Objective(model, Frozen())._forward(*chain(batch, 0)).logits
    assert not torch.allclose(disturbed, plain, atol=1e-4)
    assert torch.equal(forward_batch(model, batch).logits, plain)


def test_mel_masks_need_a_log_mel_front_end():
    model = tiny_model()
    model.encoder.has_mel = False
    with pytest.raises(ConfigError, match=r"has mask-mel, but the encoder .* has no log-mel front end .*: take mask"):
        Trainer(model, Full(), train_config(), augment=AugmentConfig("specaugment"))


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["frozen", "progressive", "lora"])
def test_each_strategy_trains_on_changed_clips(split, name):
    trainer = fitted(split, EVERYTHING, strategy=STRATEGIES[name](), epochs=1)
    assert trainer.history[0]["train_loss"] < 5.0


@pytest.mark.exhaustive
def test_tones_are_still_learned(tmp_path):
    split = tone_split(tmp_path)
    augment = AugmentConfig(transforms={"noise": {}, "gain": {}, "mask": {}, "mixup": {}})
    trainer = fitted(split, augment, epochs=5, batch_seconds=4.0)
    assert trainer.evaluate(split.test).uar > 0.6


def test_a_mixture_costs_the_mixture_of_both_costs():
    logits = torch.randn(4, 3)
    first, second = torch.tensor([0, 1, 2, 0]), torch.tensor([1, 2, 0, 2])
    one, two = (torch.nn.functional.one_hot(labels, 3).float() for labels in (first, second))
    mixed = Criterion()(logits, first, 0.7 * one + 0.3 * two)
    torch.testing.assert_close(mixed, 0.7 * cross_entropy(logits, first) + 0.3 * cross_entropy(logits, second))


def test_votes_and_annotations_go_through_the_chain():
    """They stay where nothing is mixed, and are mixed where clips are; what is unknown in part is unknown."""
    targets = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    dimensions = torch.tensor([[1.0, torch.nan], [3.0, 2.0]])
    batch = Batch(torch.randn(2, 800), torch.tensor([800, 800]), torch.tensor([0, 2]), ["", ""])
    batch.targets, batch.dimensions = targets, dimensions
    plain, _ = Chain(AugmentConfig(transforms={"gain": {"probability": 1.0}}), 3, longest=12.0)(batch, 0, 0)
    assert torch.equal(plain.targets, targets)
    assert torch.equal(plain.dimensions.nan_to_num(-1), dimensions.nan_to_num(-1))
    mixed, _ = Chain(AugmentConfig(transforms={"mixup": {"probability": 1.0}}), 3, longest=12.0)(batch, 0, 0)
    share = mixed.targets[1, 2]
    assert 0.5 <= share < 1.0
    torch.testing.assert_close(mixed.targets[1], share * targets[1] + (1 - share) * targets[0])
    torch.testing.assert_close(mixed.dimensions[1, 0], share * 3.0 + (1 - share) * 1.0)
    assert mixed.dimensions[:, 1].isnan().all()


@pytest.mark.exhaustive
def test_synthetic_clips_have_no_audio_to_change(split):
    augment, balance = AugmentConfig(transforms={"noise": {}}), BalanceConfig(synthesise="smote")
    trainer = Trainer(tiny_model(pooling="mean"), Frozen(), train_config(), augment=augment, balance=balance)
    with pytest.raises(ConfigError, match=r"augmentation changes the audio .* leave one of the two out"):
        trainer.fit(split.train, split.dev)
