"""The pitch tracker: true on tones, silent on noise, close to another tracker on speech, its path the best there is."""

import itertools
import math

import numpy as np
import pytest
import torch

from ser_tl.assets import asset
from ser_tl.data.audio import decode
from ser_tl.encoders.pitch import PitchTracker, best_path

from .tiny import clip, padded

SECOND = 16_000
TIME = torch.arange(SECOND) / SECOND


@pytest.fixture(scope="module")
def tracker():
    return PitchTracker(160, 65.0, 600.0)


def tone(hertz, tilt=1.0, time=TIME):
    """A voice-like sound at a constant pitch: all harmonics below 7.8 kHz, the k-th at 1 / k^tilt, phases mixed."""
    harmonics = torch.arange(1, int(7800 / hertz) + 1)[:, None]
    wave = (torch.cos(2 * math.pi * hertz * harmonics * time + harmonics**2) / harmonics**tilt).sum(dim=0)
    return 0.3 * wave / wave.abs().max()


@pytest.mark.parametrize("tilt", [0.0, 1.0, 2.0], ids=["pulses", "sawtooth", "soft"])
@pytest.mark.parametrize("hertz", [70, 80, 97.3, 123, 150, 200, 247, 300, 333, 400, 500, 590])
def test_a_tone_s_pitch_is_found_within_a_percent(tracker, hertz, tilt):
    pitch = tracker(*padded([tone(hertz, tilt)]))
    assert ((pitch.hertz[0, 3:-3] / hertz - 1).abs() < 0.01).all()
    assert (pitch.periodicity[0, 3:-3] > 0.75).all()


@pytest.mark.parametrize("hertz", [80, 200, 400])
def test_noise_of_a_tenth_of_the_power_takes_nothing_from_a_tone(tracker, hertz):
    wave = tone(hertz)
    noise = torch.randn(SECOND, generator=torch.Generator().manual_seed(0))
    pitch = tracker(*padded([wave + noise * (wave.square().mean() / 10).sqrt()]))
    assert ((pitch.hertz[0, 5:-5] / hertz - 1).abs() < 0.01).float().mean() > 0.98


def test_a_missing_fundamental_is_heard(tracker):
    wave = sum(torch.cos(2 * math.pi * 150 * k * TIME) for k in (3, 4, 5, 6))
    assert ((tracker(*padded([0.1 * wave])).hertz[0, 3:-3] / 150 - 1).abs() < 0.01).all()


def test_a_glide_is_followed(tracker):
    hertz = 100 * 4**TIME  # two octaves in a second
    phase = 2 * math.pi * hertz.cumsum(0) / SECOND
    wave = sum(torch.sin(k * phase) / k for k in (1, 2, 3, 4, 5))
    found = tracker(*padded([0.2 * wave])).hertz[0]
    assert ((found / hertz[::160] - 1).abs()[3:-3] < 0.02).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("colour", [0.0, 0.9], ids=["white", "low"])
def test_noise_has_no_voice(tracker, seed, colour):
    noise = 0.1 * torch.randn(5 * SECOND, generator=torch.Generator().manual_seed(seed))
    noise[1:] += colour * noise[:-1].clone()
    pitch = tracker(*padded([noise]))
    assert (pitch.hertz == 0).float().mean() > 0.99
    assert pitch.periodicity.mean() < 0.5


def test_silence_has_no_voice_and_no_period(tracker):
    pitch = tracker(*padded([torch.zeros(SECOND)]))
    assert (pitch.hertz == 0).all()
    assert (pitch.periodicity == 0).all()


def test_a_hum_far_below_the_voice_is_silence_beside_it_and_a_voice_alone(tracker):
    voice, hum = tone(200), 0.003 * tone(100)
    hertz = tracker(*padded([torch.cat([voice, hum])])).hertz[0]
    assert (hertz[5:95] > 0).all()
    assert (hertz[110:] == 0).all()
    assert (tracker(*padded([hum])).hertz[0, 3:-3] > 0).all()


def test_an_offset_of_the_recording_changes_nothing(tracker):
    wave = tone(150)
    torch.testing.assert_close(
        tracker(*padded([wave + 0.2])).hertz[:, 5:-5], tracker(*padded([wave])).hertz[:, 5:-5], atol=0.1, rtol=0
    )


def test_each_clip_of_a_batch_has_its_own_pitch(tracker):
    waveform, lengths = padded([tone(110)[:9000], tone(220), clip(7000), tone(330)[:12_000]])
    pitch = tracker(waveform, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone = tracker(waveform[row : row + 1, :length], lengths[row : row + 1])
        frames = alone.hertz.shape[1]
        torch.testing.assert_close(pitch.hertz[row, :frames], alone.hertz[0], atol=1e-3, rtol=1e-5)
        torch.testing.assert_close(pitch.periodicity[row, :frames], alone.periodicity[0], atol=1e-4, rtol=0)


def test_a_narrower_range_is_kept_to():
    pitch = PitchTracker(160, 150.0, 300.0)
    found = [pitch(*padded([tone(hertz)])).hertz for hertz in (100, 200, 400)]
    assert all((((hertz >= 149) & (hertz <= 301)) | (hertz == 0)).all() for hertz in found)
    assert ((found[1][0, 3:-3] / 200 - 1).abs() < 0.01).all()


@pytest.mark.slow
def test_the_path_is_the_best_of_all_and_ends_with_its_clip():
    counts = [1, 2, 3, 4, 5] * 6
    generator = torch.Generator().manual_seed(0)
    scores, costs = torch.rand(30, 5, 3, generator=generator), torch.rand(30, 4, 3, 3, generator=generator)
    mask = torch.arange(5) < torch.tensor(counts)[:, None]
    path = best_path(scores, costs, mask)
    for row, count in enumerate(counts):

        def worth(way, row=row):
            moves = sum(costs[row, step, way[step], way[step + 1]] for step in range(len(way) - 1))
            return float(sum(scores[row, step, one] for step, one in enumerate(way)) - moves)

        best = max(itertools.product(range(3), repeat=count), key=worth)
        assert path[row, :count].tolist() == list(best)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_speech_has_about_the_pitch_that_pyin_finds(tracker):
    librosa = pytest.importorskip("librosa")
    paths = sorted(asset("emodb_mini").glob("*.opus"))
    waveform = np.concatenate([decode(paths[number])[:SECOND] for number in (20, 400)])
    hertz = tracker(*padded([torch.from_numpy(waveform)])).hertz[0].numpy()
    # librosa's YIN weighs the front of its frames: half a frame's shift, about a hop, sets it beside ours.
    other, voiced, _ = librosa.pyin(waveform, fmin=65, fmax=600, sr=SECOND, frame_length=1024, hop_length=160)
    other, voiced, hertz = other[1 : len(hertz)], voiced[1 : len(hertz)], hertz[:-1]
    both = voiced & (hertz > 0)
    apart = np.abs(12 * np.log2(hertz[both] / other[both]))
    assert np.mean(voiced == (hertz > 0)) > 0.8
    assert both.mean() > 0.5
    assert np.median(apart) < 0.5
    assert np.mean(apart > 6) < 0.05
