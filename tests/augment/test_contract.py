"""What every waveform transform keeps, by its name in the registry."""

import pytest
import torch

from ser_tl.augment import TRANSFORMS, BatchRng, build_transform
from ser_tl.augment.base import ClipTransform, WaveformTransform
from ser_tl.errors import ConfigError
from tests.augment.sounds import batch, speech

WAVEFORM = [name for name, kind in TRANSFORMS.items() if issubclass(kind, WaveformTransform)]
SLOW = {"codec"}


def each_name(names):
    """A parameter of a test; those that take long are slow."""
    return pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in names])


each = each_name(WAVEFORM)
each_of_clips = each_name(n for n in WAVEFORM if issubclass(TRANSFORMS[n], ClipTransform))


def made(name, **options):
    transform = build_transform(name, {"probability": 1.0} | options)
    transform.prepare([speech(1.0, seed) for seed in range(8)], 0)
    return transform


def clips():
    return batch(speech(0.9, 1), speech(1.3, 2), speech(0.6, 3), speech(1.1, 4))


def test_all_that_is_promised_is_registered():
    assert set(TRANSFORMS) == {
        *("noise", "background", "babble", "speed", "stretch", "pitch", "gain", "reverb", "telephone", "crop"),
        *("silence", "clipping", "codec", "mask", "mask-mel", "mixup", "mixup-embedding"),
    }


@each
def test_padding_stays_zero_and_the_width_is_the_longest_clip(name):
    waveform, lengths, *_ = made(name)(*clips(), BatchRng(0))
    assert waveform.shape == (4, int(lengths.max()))
    for clip, length in zip(waveform, lengths, strict=True):
        assert clip[:length].abs().max() > 0.01
        assert clip[length:].abs().sum() == 0.0
    assert waveform.isfinite().all()


@each
def test_the_same_key_draws_the_same_and_another_draws_otherwise(name):
    transform = made(name)
    first, again, other = (transform(*clips(), BatchRng(0, *key)) for key in ((3, 1), (3, 1), (3, 2)))
    assert torch.equal(first.waveform, again.waveform)
    assert first.drawn == again.drawn
    assert first.drawn != other.drawn


@each
def test_what_comes_in_is_left_as_it_is(name):
    waveform, lengths = clips()
    before = waveform.clone()
    made(name)(waveform, lengths, BatchRng(0))
    assert torch.equal(waveform, before)


@each
def test_probability_zero_changes_nothing(name):
    waveform, lengths = clips()
    changed = made(name, probability=0.0)(waveform, lengths, BatchRng(0))
    assert torch.equal(changed.waveform, waveform)
    assert len(changed.rows) == 0


@each
def test_clips_that_are_not_drawn_stay_to_the_last_bit(name):
    waveform, lengths = batch(*(speech(0.3, seed) for seed in range(40)))
    changed = made(name, probability=0.5)(waveform, lengths, BatchRng(0))
    assert 10 <= len(changed.rows) <= 30
    assert all(len(values) == len(changed.rows) for values in changed.drawn.values())
    for row in set(range(40)) - set(changed.rows.tolist()):
        assert changed.lengths[row] == lengths[row]
        assert torch.equal(changed.waveform[row, : lengths[row]], waveform[row, : lengths[row]])


@each_of_clips
def test_each_clip_is_drawn_for_by_itself(name):
    drawn = made(name)(*batch(*(speech(1.2, 5) for _ in range(6))), BatchRng(0)).drawn
    assert any(len(set(values)) > 1 for values in drawn.values())


@each_of_clips
def test_padding_means_nothing_to_a_clip(name):
    transform = made(name, **({"codecs": ["none"]} if name == "telephone" else {}))  # a step of 8 bits is no rounding
    short, long = speech(0.8, 1), speech(1.5, 2)
    waveform, lengths = batch(short, long)
    # the same draws, as the batch is as large; only what stands behind the first clip differs
    narrow = transform(waveform[:, : len(short)], torch.tensor([len(short), len(short)]), BatchRng(0))
    wide = transform(waveform, lengths, BatchRng(0))
    assert narrow.lengths[0] == wide.lengths[0]
    if name not in (
        "noise",
        "background",
        "babble",
        "reverb",
        "silence",
    ):  # what is added has another size in a wider batch
        first = int(wide.lengths[0])
        torch.testing.assert_close(narrow.waveform[0, :first], wide.waveform[0, :first], atol=2e-5, rtol=1e-4)


@each
def test_loud_clips_are_turned_down_and_never_clipped(name):
    loud = [clip / clip.abs().max() for clip in (speech(0.7, 1), speech(0.7, 2))]
    options = {"snr": 0} if name in ("noise", "background", "babble") else {}
    options |= {"decibels": 20} if name == "gain" else {}
    waveform = made(name, **options)(*batch(*loud), BatchRng(0)).waveform
    peaks = waveform.abs().amax(dim=1)
    assert (peaks <= 1.0 + 1e-5).all()
    assert name == "clipping" or all(
        (clip.abs() > 0.999 * peak).sum() <= 2 for clip, peak in zip(waveform, peaks, strict=True)
    )


@each
@pytest.mark.parametrize("samples", [1, 50, 399])
def test_clips_shorter_than_a_window_are_no_trouble(name, samples):
    waveform, lengths, *_ = made(name)(*batch(speech(0.5)[:samples], speech(0.5)[:samples]), BatchRng(0))
    assert lengths.min() >= 1
    assert waveform.isfinite().all()


@each
def test_a_silent_clip_stays_silent(name):
    waveform, *_ = made(name)(*batch(torch.zeros(8000), torch.zeros(9000)), BatchRng(0))
    assert waveform.abs().max() < 1e-3


@pytest.mark.parametrize("name", list(TRANSFORMS))
@pytest.mark.parametrize("probability", [-0.1, 1.1, "often", True])
def test_a_probability_is_a_share(name, probability):
    with pytest.raises(ConfigError, match=rf"augment.transforms, {name}: probability is .*0 to 1"):
        build_transform(name, {"probability": probability})


@pytest.mark.parametrize("given", [[3], "loud", [20, 10], [1, 2, 3], 500, [True, 3]])
def test_a_range_is_two_numbers_in_order(given):
    with pytest.raises(ConfigError, match=r"augment.transforms, noise: snr is .*lowest, highest.* from -20 to 80"):
        build_transform("noise", {"snr": given})


def test_a_number_is_a_range_of_itself():
    assert build_transform("noise", {"snr": 20}).snr == (20.0, 20.0)
