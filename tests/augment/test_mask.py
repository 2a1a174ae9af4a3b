"""Masks: the drawn share is blank and no more, padding isn't counted, and blank means the mean."""

import pytest
import torch

from ser_tl.augment import BatchRng, build_transform
from ser_tl.augment.mask import random_spans
from ser_tl.errors import ConfigError

COUNTS = torch.tensor([50, 100, 37, 1, 80])


def runs(row):
    """How many stretches of True there are."""
    return int(row[0]) + int((row[1:] & ~row[:-1]).sum())


@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.9])
def test_the_share_is_blank_whatever_the_number_of_stretches(share, number):
    for seed in range(10):
        blank = random_spans(COUNTS, torch.full((5,), share).double(), number, 100, BatchRng(seed))
        assert blank.sum(dim=1).tolist() == (share * COUNTS.double()).round().tolist()
        for row, count in zip(blank, COUNTS, strict=True):
            assert runs(row) <= number
            assert not row[count:].any()


@pytest.mark.slow
def test_stretches_lie_anywhere():
    hits = sum(random_spans(torch.tensor([20]), torch.tensor([0.2]), 2, 20, BatchRng(seed))[0] for seed in range(400))
    assert hits.min() > 20
    assert hits.max() < 160


def mask_of(name, **options):
    return build_transform(name, {"probability": 1.0} | options)


def test_a_mel_mask_blanks_the_share_of_bands_and_frames_of_each_clip():
    mel = torch.randn(5, 100, 80, generator=torch.Generator().manual_seed(0)) + 3.0
    mask = mask_of("mask-mel", time=0.1, time_stretches=3, bands=[0.1, 0.3])
    changed = mask(mel, COUNTS, BatchRng(0)) != mel
    shares = set()
    for row, count in zip(changed, COUNTS.tolist(), strict=True):
        bands = float(row[:count].all(dim=0).float().mean())
        assert 0.1 - 1 / 80 <= bands <= 0.3 + 1 / 80
        assert int(row[:count].all(dim=1).sum()) == round(0.1 * count)
        assert not row[count:].any()
        shares.add(bands)
    assert len(shares) > 2


def test_twenty_percent_of_the_bands_are_the_default():
    mel = torch.randn(4, 60, 80)
    changed = mask_of("mask-mel", time=0)(mel, torch.full((4,), 60), BatchRng(0)) != mel
    assert changed.all(dim=1).float().mean(dim=1).tolist() == pytest.approx([0.2] * 4)


def test_what_is_blank_in_a_mel_is_the_clips_mean_over_its_own_frames():
    mel = torch.randn(2, 40, 20) + torch.tensor([1.0, 5.0])[:, None, None]
    mel[0, 30:] = -100.0
    changed = mask_of("mask-mel", bands=0.5)(mel, torch.tensor([30, 40]), BatchRng(0))
    assert changed[0, :30][changed[0, :30] != mel[0, :30]].unique().tolist() == pytest.approx(
        [float(mel[0, :30].mean())]
    )


def test_a_state_mask_is_the_same_in_all_layers_and_zero():
    states = torch.randn(3, 5, 100, 64)
    mask = torch.arange(100) < COUNTS[:, None]
    changed = mask_of("mask", time=0.2, channels=0.25)(states, mask, BatchRng(0))
    blank = changed == 0.0
    assert torch.equal(blank[0], blank[1])
    assert torch.equal(blank[0], blank[2])
    assert torch.equal(changed[~blank], states[~blank])
    for row, count in zip(blank[0], COUNTS.tolist(), strict=True):
        assert int(row[:count].all(dim=1).sum()) == round(0.2 * count)
        if count > 1:
            assert int(row[:count].all(dim=0).sum()) == 16


def test_states_that_are_not_centred_get_their_channels_mean():
    states = torch.randn(1, 5, 100, 8) + torch.arange(8.0)
    mask = torch.arange(100) < COUNTS[:, None]
    changed = mask_of("mask", time=0.5)(states, mask, BatchRng(0), centred=False)
    mean = states[0][mask].mean(dim=0)
    blank = changed[0] != states[0]
    torch.testing.assert_close(changed[0][blank], mean.expand(5, 100, 8)[blank])


def test_clips_that_are_not_drawn_stay():
    states = torch.randn(1, 200, 10, 8)
    mask = build_transform("mask", {"probability": 0.5, "time": 0.5})
    changed = mask(states, torch.ones(200, 10, dtype=torch.bool), BatchRng(0))
    assert 70 < (changed != states).flatten(2).any(dim=2).sum() < 130


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mask", {"time": 0.95}, "mask: time is 0.95: expected a number, or .* from 0 to 0.9"),
        ("mask", {"channels": [-0.1, 0.5]}, "mask: channels is"),
        ("mask", {"time_stretches": 0}, "mask: time_stretches is 0: expected a whole number from 1 to 100"),
        ("mask-mel", {"band_stretches": 1.5}, "mask-mel: band_stretches is 1.5: expected a whole number"),
        ("mixup", {"alpha": 0}, "mixup: alpha is 0: expected a number from 0.01 to 100"),
    ],
)
def test_impossible_options_are_told(name, options, message):
    with pytest.raises(ConfigError, match=message):
        build_transform(name, options)
