"""Rooms, telephones, levels, crops, mixtures."""

import math

import numpy as np
import pytest
import scipy.signal
import soundfile
import torch

from ser_tl.augment import BatchRng, build_transform
from ser_tl.augment.base import fast_size
from ser_tl.augment.reverb import simulate_responses
from ser_tl.augment.telephone import a_law, gsm, mu_law
from ser_tl.errors import ConfigError
from tests.augment.sounds import RATE, band_power, batch, decibels, speech, tone


def changed(name, *clips, **options):
    transform = build_transform(name, {"probability": 1.0} | options)
    transform.prepare([], 0)
    return transform(*batch(*clips), BatchRng(4))


@pytest.mark.parametrize("seconds", [0.2, 0.5, 0.9])
def test_a_made_room_decays_by_sixty_decibels_in_its_time(seconds):
    response = simulate_responses(torch.tensor([seconds, 0.1]), torch.tensor([-10.0, 0.0]), BatchRng(0))[
        0, 40:
    ].double()
    energy = response.square().flip(0).cumsum(0).flip(0)
    level = 10 * (energy / energy[0]).log10()
    five, twenty_five = (int((level < threshold).nonzero()[0]) for threshold in (-5, -25))
    assert 3 * (twenty_five - five) / RATE == pytest.approx(seconds, rel=0.1)  # as ISO 3382 measures it, T20


@pytest.mark.parametrize("lead", [0.0, 9.0])
def test_the_direct_sound_leads_by_its_decibels(lead):
    response = simulate_responses(torch.tensor([0.4]), torch.tensor([lead]), BatchRng(0))[0]
    assert decibels(response[0].square() / response[1:].square().sum()) == pytest.approx(lead, abs=0.1)


def test_reverberant_speech_begins_and_ends_where_it_did_and_is_as_loud():
    clip = torch.cat([torch.zeros(4000), speech(0.6)])
    found = changed("reverb", clip, speech(1.0))
    assert found.lengths.tolist() == [len(clip), RATE]
    assert found.waveform[0, :4000].abs().max() < 1e-5
    assert found.waveform[0, 4000:4010].abs().max() > 1e-3
    assert found.waveform[0, : len(clip)].square().mean() == pytest.approx(float(clip.square().mean()), rel=1e-3)


def test_a_response_of_the_folder_is_convolved_from_its_direct_sound_on(tmp_path):
    response = np.zeros(3000, dtype=np.float32)
    response[[500, 900, 2500]] = 0.8, 0.4, -0.2
    soundfile.write(tmp_path / "hall.wav", response, RATE, subtype="FLOAT")
    clip = speech(0.7)
    found = changed("reverb", clip, folder=str(tmp_path)).waveform[0].numpy()
    expected = scipy.signal.fftconvolve(clip.numpy(), response[500:])[: len(clip)]
    expected *= np.sqrt(np.mean(clip.numpy() ** 2) / np.mean(expected**2))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("codec", ["none", "mu-law", "a-law", "gsm"])
def test_a_telephone_lets_its_band_through_and_nothing_else(codec):
    clip = speech(2.0, level=0.2)
    found = changed("telephone", clip, codecs=[codec])
    heard = found.waveform[0]
    assert len(heard) == len(clip)
    inside = decibels(band_power(heard, 500, 3000) / band_power(clip, 500, 3000))
    assert inside == pytest.approx(0, abs=3.0 if codec == "gsm" else 0.5)
    rumble = decibels(band_power(heard, 20, 200) / band_power(clip, 20, 200))
    assert rumble < (-10 if codec == "gsm" else -20)  # GSM adds noise of its own
    assert decibels(band_power(heard, 4100, 8000) / band_power(clip, 4100, 8000)) < -20


def test_a_telephones_band_does_not_delay():
    clip = tone(1.0, 1000)
    heard = changed("telephone", clip, codecs=["none"]).waveform[0]
    torch.testing.assert_close(heard[2000:-2000], clip[2000:-2000], atol=0.01, rtol=0)


@pytest.mark.parametrize("law", [mu_law, a_law])
@pytest.mark.parametrize("level", [1.0, 0.1, 0.01])
def test_eight_bits_leave_speech_its_usual_noise(law, level):
    clip = level * torch.sin(2 * math.pi * 440 * torch.arange(8000) / 8000)
    noise = law(clip) - clip
    assert 25 < decibels(clip.square().mean() / noise.square().mean()) < 45  # G.711 has 38 dB at full scale
    assert len(law(torch.linspace(-1, 1, 10_000)).unique()) <= 256


def test_gsm_is_coded_and_decoded():
    clip = 0.3 * torch.sin(2 * math.pi * 300 * torch.arange(8000) / 8000)[None]
    heard = gsm(clip)
    assert heard.shape == clip.shape
    assert 0.01 < (heard - clip).square().mean().sqrt() / clip.square().mean().sqrt() < 0.5


def test_unknown_codecs_are_told():
    with pytest.raises(ConfigError, match=r"telephone: codecs is \['mp3'\]: expected a list of some of mu-law, a-law"):
        build_transform("telephone", {"codecs": ["mp3"]})


@pytest.mark.parametrize("decibels_", [6, -10, [-10, 6], 0])
def test_gain_is_the_drawn_one(decibels_):
    clips = [speech(0.5, number, level=0.02) for number in range(4)]
    found = changed("gain", *clips, decibels=decibels_)
    for clip, new, drawn in zip(clips, found.waveform, found.drawn["gain in dB"], strict=True):
        torch.testing.assert_close(new[: len(clip)], clip * 10 ** (drawn / 20))


def test_a_gain_beyond_full_scale_is_lowered_and_tells_so():
    clip = 0.5 * tone(0.5) / 0.3
    found = changed("gain", clip, 3.0 * clip, decibels=20)
    assert found.waveform.abs().amax(dim=1).tolist() == pytest.approx([1.0, 1.5], rel=1e-4)  # the second was above
    assert found.drawn["gain in dB"] == pytest.approx([6.02, 0.0], abs=0.01)


def test_a_crop_is_a_stretch_of_the_clip():
    clips = [torch.arange(1, samples + 1) / 40_000 for samples in (32_000, 24_000, 16_000, 5000)]
    found = changed("crop", *clips, keep=[0.5, 0.9])
    for row, clip in enumerate(clips):
        kept = found.waveform[row, : found.lengths[row]]
        begin = round(found.drawn["from s"][row] * RATE)
        assert torch.equal(kept, clip[begin : begin + len(kept)])
        if len(clip) == 5000:
            assert len(kept) == 5000  # half a second is always kept
        else:
            assert 0.5 <= len(kept) / len(clip) <= 0.9
    assert len(set(found.drawn["from s"])) > 1


def test_a_crop_of_seconds_is_as_long_whatever_the_clip():
    clips = [torch.arange(1, samples + 1) / 200_000 for samples in (160_000, 48_000, 24_000, 9600)]
    found = changed("crop", *clips, seconds=[0.6, 1.4])
    seconds = [samples / RATE for samples in found.lengths.tolist()]
    assert all(0.6 <= length <= 1.4 for length in seconds)
    assert seconds[3] == 0.6  # the whole clip
    assert len(set(seconds)) == 4
    for row, clip in enumerate(clips):
        begin = round(found.drawn["from s"][row] * RATE)
        assert torch.equal(found.waveform[row, : found.lengths[row]], clip[begin : begin + found.lengths[row]])
    assert build_transform("crop", {"seconds": 2}).seconds == (2.0, 2.0)
    with pytest.raises(ConfigError, match=r"crop: seconds is \[0.1, 3\].*from 0.5"):
        build_transform("crop", {"seconds": [0.1, 3]})


def test_mixup_mixes_a_clip_with_another_and_its_own_share_is_the_larger():
    clips = [tone(0.5, 200), tone(0.5, 500, level=0.01), tone(0.5, 900)]
    found = changed("mixup", *clips, alpha=1.0)
    share = found.mixing.share
    assert (share >= 0.5).all()
    assert (found.mixing.partners != torch.arange(3)).all()
    for row in range(3):
        hertz = (200, 500, 900)
        own, other = (
            band_power(found.waveform[row], pitch - 10, pitch + 10)
            for pitch in (hertz[row], hertz[int(found.mixing.partners[row])])
        )
        assert decibels(own / other) == pytest.approx(20 * math.log10(share[row] / (1 - share[row])), abs=0.5)


def test_a_clip_alone_in_its_batch_is_mixed_with_itself():
    clip = tone(0.5)
    torch.testing.assert_close(changed("mixup", clip).waveform[0], clip)


@pytest.mark.parametrize("samples", [1, 2, 3, 5, 7, 1000, 48_000, 65_537])
def test_fast_sizes_are_large_enough_and_hardly_larger(samples):
    size = fast_size(samples)
    assert samples <= size < max(1.34 * samples, samples + 2)
    while size % 2 == 0:
        size //= 2
    assert size in (1, 3, 5)
