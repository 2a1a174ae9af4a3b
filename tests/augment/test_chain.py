"""Configs, presets, and a chain's way with a batch."""

import pytest
import torch

from ser_tl.augment import PRESETS, AugmentConfig, Chain, FeatureHooks
from ser_tl.data.batching import Batch
from ser_tl.errors import ConfigError, UnknownNameError
from tests.augment.sounds import batch, speech


class Held:
    """Clips at hand, which remember what was asked for."""

    epoch = 0

    def __init__(self, count):
        self.requested_by = []
        self.seconds = [0.5] * count

    def __len__(self):
        return len(self.seconds)

    def __getitem__(self, index):
        self.requested_by.append(index)
        return Batch(speech(0.5, index), torch.tensor(8000), torch.tensor(0), [""])


def clips(labels=(0, 1, 2, 1)):
    waveform, lengths = batch(*(speech(0.5 + 0.1 * number, number) for number in range(len(labels))))
    return Batch(waveform, lengths, torch.tensor(labels), [""] * len(labels))


def chain(preset="none", transforms=None, **options):
    made = Chain(AugmentConfig(preset, transforms or {}), 3, **({"longest": 12.0} | options))
    made.prepare(Held(5))
    return made


def test_nothing_is_the_default():
    assert AugmentConfig().build() == []
    assert not chain()


@pytest.mark.parametrize("preset", list(PRESETS))
def test_each_preset_goes_through_and_tells_its_source(preset):
    assert len(PRESETS[preset].source) > 20
    made = chain(preset)
    changed, disturbance = made(clips(), 0, 0, 0)
    assert changed.waveform.isfinite().all()
    assert list(made.facts) == list(AugmentConfig(preset).transform_options)
    states = torch.randn(2, 4, 30, 16)
    assert disturbance.states(states, torch.ones(4, 30, dtype=torch.bool)).shape == states.shape


def test_a_transform_named_beside_a_preset_refines_it_follows_it_or_takes_from_it():
    config = AugmentConfig("ser", {"noise": {"snr": 5}, "gain": {}, "pitch": None})
    assert config.transform_options == {
        "stretch": {"probability": 0.3},
        "noise": {"probability": 0.5, "snr": 5},
        "gain": {},
    }
    assert list(config.transform_options) == ["stretch", "noise", "gain"]


def test_what_there_is_not_is_told():
    with pytest.raises(UnknownNameError, match="no augmentation preset called 'robst': did you mean 'robust'"):
        AugmentConfig("robst")
    for options in ({}, None):
        with pytest.raises(UnknownNameError, match="no transform called 'sped'"):
            AugmentConfig(transforms={"sped": options})
    with pytest.raises(ConfigError, match="speed: no option 'factors': did you mean 'factor'"):
        AugmentConfig(transforms={"speed": {"factors": 1.1}})


def test_a_place_draws_the_same_again_and_another_place_otherwise():
    made = chain("everything")
    first, again, step, process = (
        made(clips(), *place)[0] for place in ((1, 2, 0, 0), (1, 2, 0, 0), (1, 3, 0, 0), (1, 2, 0, 1))
    )
    assert torch.equal(first.waveform, again.waveform)
    assert torch.equal(first.targets, again.targets)
    for other in (step, process, chain("everything", seed=1)(clips(), 1, 2, 0, 0)[0]):
        assert other.waveform.shape != first.waveform.shape or not torch.equal(other.waveform, first.waveform)


def test_transforms_come_in_the_order_in_which_they_are_named():
    names = ["gain", "crop", "noise"]
    assert [one.name for one in AugmentConfig(transforms={name: {} for name in names}).build()] == names


def test_no_clip_leaves_longer_than_it_may():
    made = chain(transforms={"speed": {"probability": 1.0, "factor": 0.5}}, longest=1.5)
    changed, _ = made(clips(), 0)
    assert changed.lengths.tolist() == [16_000, 19_200, 22_400, 24_000]
    assert changed.waveform.shape == (4, 24_000)


def test_without_mixing_there_are_no_targets():
    changed, _ = chain("ser")(clips(), 0)
    assert changed.targets is None
    assert torch.equal(changed.labels, clips().labels)


@pytest.mark.parametrize("names", [("mixup",), ("mixup-embedding",), ("mixup", "mixup-embedding")])
def test_mixed_labels_are_probabilities_of_which_the_own_is_the_likeliest(names):
    changed, _ = chain(transforms={name: {"probability": 1.0, "alpha": 0.4} for name in names})(clips(), 0)
    assert changed.targets.sum(dim=1).tolist() == pytest.approx([1.0] * 4)
    assert changed.targets.max() < 1.0 or (changed.targets == 1.0).any()
    if len(names) == 1:
        assert torch.equal(changed.targets.argmax(dim=1), changed.labels)


def test_embeddings_are_mixed_as_their_labels_are():
    changed, disturbance = chain(transforms={"mixup-embedding": {"probability": 1.0}})(clips(), 0)
    one_hot = torch.nn.functional.one_hot(changed.labels, 3).float()
    torch.testing.assert_close(disturbance.embedding(one_hot), changed.targets)
    assert (changed.targets != one_hot).any()


def test_only_babble_asks_for_voices():
    for name, wanted in (("noise", 0), ("babble", 5)):
        held = Held(5)
        Chain(AugmentConfig(transforms={name: {}}), 3, longest=1.0).prepare(held)
        assert len(set(held.requested_by)) == wanted


def test_an_undisturbed_disturbance_changes_nothing():
    values = torch.randn(2, 3)
    none = FeatureHooks()
    assert none.embedding(values) is none.states(values, values) is none.mel(values, values) is values


@pytest.mark.parametrize(
    ("name", "audio", "mel", "states"),
    [
        ("noise", True, False, False),
        ("mixup", True, False, False),
        ("mask-mel", True, True, False),
        ("mask", False, False, True),
        ("mixup-embedding", False, False, False),
    ],
)
def test_a_chain_knows_what_it_acts_on(name, audio, mel, states):
    made = chain(transforms={name: {}})
    assert (made.on_audio, made.on_mel, made.on_states) == (audio, mel, states)
