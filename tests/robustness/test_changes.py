"""What each change does to a clip, measured on the clip itself."""

import numpy as np
import pytest

from ser_tl.errors import ConfigError
from ser_tl.robustness import THEMES, make_suite
from ser_tl.robustness.change import Change
from ser_tl.robustness.levels import clip_samples, high_pass, low_pass, tilt
from tests.modules.test_speech import speech

SUITE = {change.name: change for change in make_suite()}
CLIP = speech(1.3)
for _change in SUITE.values():
    if _change.voices is not None:
        _change.voices([speech(1.0, seed) for seed in range(3)])


def changed(name, clip=CLIP, key="a"):
    return SUITE[name].apply(clip, key)


def decibels(ratio):
    return 10 * np.log10(ratio)


def power(clip):
    return np.mean(np.square(clip, dtype=np.float64))


@pytest.mark.parametrize("name", SUITE)
def test_every_change_gives_samples_that_a_model_takes_and_the_same_for_the_same_clip(name):
    before = CLIP.copy()
    first, again = changed(name), changed(name)
    assert (first.dtype, first.ndim) == (np.float32, 1)
    assert np.isfinite(first).all()
    assert np.abs(first).max() <= 1.0
    assert len(first) >= 0.3 * 16_000
    assert np.array_equal(first, again)
    assert np.array_equal(CLIP, before)
    assert SUITE[name].theme in THEMES


def test_names_are_unique_and_every_theme_is_there():
    assert len(SUITE) == len(make_suite())
    assert {change.theme for change in SUITE.values()} == set(THEMES)


def test_more_levels_of_white_noise_stand_beside_the_others():
    names = [change.name for change in make_suite(white_noise=[20, 5])]
    assert len(names) == len(SUITE) + 1  # 20 dB is there anyway
    assert "white noise 5 dB" in names
    with pytest.raises(ConfigError, match="white noise at 200 dB: expected a ratio from -20 to 80"):
        make_suite(white_noise=[200])


@pytest.mark.parametrize(
    ("name", "before", "behind"),
    [("1 s of silence before", 16_000, 0), ("1 s of silence behind", 0, 16_000), ("500 zeros before", 500, 0),
     ("1000 zeros behind", 0, 1000), ("1 s of room tone at both ends", 16_000, 16_000)],
)  # fmt: skip
def test_what_is_added_stands_beside_the_clip(name, before, behind):
    found = changed(name)
    assert len(found) == before + len(CLIP) + behind
    assert np.array_equal(found[before : before + len(CLIP)], CLIP)
    for end in (found[:before], found[len(found) - behind :]):
        level = decibels(power(end) + 1e-12) if len(end) else -120.0
        assert level == pytest.approx(-60.0 if "tone" in name else -120.0, abs=0.2)


def test_crops_and_parts_are_of_the_clip():
    assert np.array_equal(changed("first 500 samples cropped"), CLIP[500:])
    assert np.array_equal(changed("last 100 samples cropped"), CLIP[:-100])
    assert np.array_equal(changed("0.5 s from the middle"), CLIP[6400:14_400])
    assert np.array_equal(changed("2 s from the middle"), CLIP)
    assert np.array_equal(changed("first quarter missing"), CLIP[5200:])
    assert len(changed("repeated to 10 s")) == 160_000
    assert np.array_equal(changed("shift by 10 ms")[160:], CLIP[:-160])


@pytest.mark.parametrize("snr", [20, 10, 0])
def test_noise_is_as_far_below_the_clip_as_its_name_says(snr):
    for colour in ("white", "pink"):
        found = changed(f"{colour} noise {snr} dB")
        scale = np.dot(found, CLIP) / np.dot(CLIP, CLIP)  # turned down where it would have exceeded full scale
        assert decibels(power(CLIP * scale) / power(found - scale * CLIP)) == pytest.approx(snr, abs=0.7)


@pytest.mark.parametrize("name", ["babble 20 dB", "chords 20 dB"])
def test_voices_and_music_are_20_db_below(name):
    assert decibels(power(CLIP) / power(changed(name) - CLIP)) == pytest.approx(20.0, abs=0.3)


def test_other_clips_and_other_seeds_are_drawn_otherwise():
    change = SUITE["white noise 20 dB"]
    assert not np.array_equal(change.apply(CLIP, "a"), change.apply(CLIP, "b"))
    assert not np.array_equal(change.apply(CLIP, "a"), change.apply(CLIP, "a", seed=1))


def band(clip, low, high):
    spectrum = np.abs(np.fft.rfft(clip)) ** 2
    hertz = np.fft.rfftfreq(len(clip), 1 / 16_000)
    return spectrum[(hertz >= low) & (hertz < high)].sum()


@pytest.mark.parametrize(
    ("function", "kept", "gone"),
    [(low_pass(3000), (200, 2500), (4000, 8000)), (high_pass(150, 150), (400, 6000), (0, 40))],
    ids=["low-pass", "high-pass"],
)
def test_filters_keep_a_band_and_have_no_delay(function, kept, gone):
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    found = Change("filter", "phone", function).apply(noise, "a")
    assert band(found, *kept) == pytest.approx(band(noise, *kept), rel=0.1)
    assert band(found, *gone) < 0.02 * band(noise, *gone)
    lags = np.correlate(found, noise[2000:-2000], "valid")
    assert int(lags.argmax()) == 2000


def test_a_telephone_and_8_khz_leave_nothing_above_4_khz():
    for name in ("telephone, mu-law", "8 kHz"):
        assert band(changed(name), 4200, 8000) < 0.02 * band(CLIP, 4200, 8000)


def test_tilt_turns_the_spectrum_about_and_keeps_the_level():
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000).astype(np.float32)
    up = Change("up", "tilt", tilt(3.0)).apply(noise, "a")
    slope = decibels(band(up, 4000, 8000) / band(noise, 4000, 8000)) - decibels(
        band(up, 1000, 2000) / band(noise, 1000, 2000)
    )
    assert slope == pytest.approx(6.0, abs=0.5)  # two octaves
    assert power(up) == pytest.approx(power(noise), rel=0.02)


def test_clipping_cuts_the_share_that_was_asked_for():
    found = Change("clip", "small changes", clip_samples(0.01, 0.01)).apply(CLIP, "a")
    assert np.mean(found != CLIP) == pytest.approx(0.01, abs=0.002)


def test_gain_clips_at_full_scale():
    loud = 0.9 * CLIP / np.abs(CLIP).max()
    found = changed("gain +6 dB with clipping", loud.astype(np.float32))
    assert np.abs(found).max() == 1.0
    assert np.mean(np.abs(found) == 1.0) > 0.001
