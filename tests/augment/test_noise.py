"""Noise of every kind: at the ratio that was drawn, of the colour that it is called, and from where it should be."""

import numpy as np
import pytest
import soundfile
import torch

from ser_tl.augment import BatchRng, build_transform
from ser_tl.augment.noise import coloured_noise
from ser_tl.augment.noise_bank import NoiseBank
from ser_tl.errors import ConfigError, UnknownNameError
from tests.augment.sounds import RATE, band_power, batch, decibels, frequency, speech, tone


def added(name, clips, *, voices=(), **options):
    """What a transform adds to clips whose level leaves room, and what it drew."""
    waveform, lengths = batch(*clips)
    transform = build_transform(name, {"probability": 1.0} | options)
    transform.prepare(voices, 0)
    changed = transform(waveform, lengths, BatchRng(1))
    return [(new - old)[:n] for new, old, n in zip(changed.waveform, waveform, lengths, strict=True)], changed.drawn


@pytest.mark.parametrize("name", ["noise", "background", "babble"])
@pytest.mark.parametrize("snr", [[0, 30], 20, -5])
def test_the_measured_ratio_is_the_drawn_one(name, snr):
    clips = [speech(seconds, number, level=0.02) for number, seconds in enumerate((0.5, 1.7, 1.0, 0.8))]
    noises, drawn = added(name, clips, voices=[speech(0.7, 9), tone(2.0, 440)], snr=snr)
    for clip, noise, wanted in zip(clips, noises, drawn["SNR in dB"], strict=True):
        assert decibels(clip.square().mean() / noise.square().mean()) == pytest.approx(wanted, abs=0.5)
    low, high = snr if isinstance(snr, list) else (snr, snr)
    assert all(low <= one <= high for one in drawn["SNR in dB"])


@pytest.mark.parametrize(("colour", "fall"), [("white", 0.0), ("pink", 3.01), ("brown", 6.02)])
def test_a_colour_falls_by_its_decibels_an_octave(colour, fall):
    noise = coloured_noise([colour], 20 * RATE, BatchRng(0))[0]
    levels = [decibels(band_power(noise, low, 2 * low)) for low in (250, 500, 1000, 2000)]
    assert np.diff(levels) == pytest.approx([-fall] * 3, abs=0.4)


@pytest.mark.parametrize("colour", ["pink", "brown"])
def test_nothing_below_hearing_is_made(colour):
    noise = coloured_noise([colour], 16 * 16384, BatchRng(0))[0]
    assert band_power(noise, 1, 19) < 1e-3 * band_power(noise, 21, 40)


def test_each_clip_has_noise_of_its_own():
    noises, _ = added("noise", [speech(0.5, 0)] * 3, snr=10)
    assert abs(float(torch.corrcoef(torch.stack(noises))[0, 1])) < 0.1


def test_background_comes_from_the_folder_and_its_folders(tmp_path):
    (tmp_path / "street").mkdir()
    soundfile.write(tmp_path / "hum.wav", tone(3.0, 100).numpy(), RATE)
    soundfile.write(tmp_path / "street" / "horn.flac", tone(3.0, 1000).numpy(), RATE)
    (tmp_path / "notes.txt").write_text("no audio")
    noises, drawn = added("background", [speech(1.0, number) for number in range(8)], folder=str(tmp_path), snr=0)
    heard = {round(frequency(noise), -1) for noise in noises}
    assert heard == {100.0, 1000.0}
    assert set(drawn["recording"]) == {0, 1}


def test_a_large_folder_is_held_in_part(tmp_path):
    for number in range(6):
        soundfile.write(tmp_path / f"{number}.wav", tone(2.0, 100 * (number + 1)).numpy(), RATE)
    transform = build_transform("background", {"folder": str(tmp_path), "minutes": 0.1})
    transform.prepare([], 0)
    assert len(transform._bank) == 3


def test_folders_that_are_none_or_hold_none_are_told(tmp_path):
    with pytest.raises(ConfigError, match=r"background: folder is '/nowhere', which is no folder: name one"):
        build_transform("background", {"folder": "/nowhere"})
    transform = build_transform("background", {"folder": str(tmp_path)})
    with pytest.raises(ConfigError, match=r"background: folder is .*, where no recording is: put WAV"):
        transform.prepare([], 0)


def test_babble_is_made_of_as_many_voices_as_were_drawn():
    pitches = (300, 450, 700, 1000, 1500, 2200)
    voices = [tone(2.0, hertz) for hertz in pitches]
    noises, drawn = added("babble", [speech(1.0, number) for number in range(6)], voices=voices)
    for noise, number in zip(noises, drawn["voices"], strict=True):
        loud = [hertz for hertz in pitches if band_power(noise, hertz - 5, hertz + 5) > 100 * noise.square().mean()]
        assert 1 <= len(loud) <= number
        assert 3 <= number <= 7
    assert len(set(drawn["voices"])) > 1


def test_a_stretch_stays_in_its_recording_unless_that_is_too_short():
    bank = NoiseBank([torch.full((500,), float(number)) for number in range(1, 4)] + [torch.full((10,), 4.0)])
    stretches, which = bank.random_segments(200, 100, BatchRng(0))
    for stretch, place in zip(stretches, which, strict=True):
        assert stretch[0] == place + 1
        assert (stretch == place + 1).all() or place == 3
    beyond, which = bank.random_segments(20, 2000, BatchRng(0))
    assert beyond.shape == (20, 2000)
    torch.testing.assert_close(beyond[:, 1510:], beyond[:, :490])  # the tape meets its beginning


@pytest.mark.parametrize("options", [{"colours": ["blue"]}, {"colours": []}, {"colours": "white"}])
def test_unknown_colours_are_told(options):
    with pytest.raises(ConfigError, match=r"noise: colours is .* expected a list of some of white, pink, brown"):
        build_transform("noise", options)


def test_unknown_names_have_near_ones():
    with pytest.raises(UnknownNameError, match="no transform called 'noize': did you mean 'noise'"):
        build_transform("noize", {})
    with pytest.raises(ConfigError, match=r"noise: no option 'snrr': did you mean 'snr'\? known are probability, snr"):
        build_transform("noise", {"snrr": 3})
