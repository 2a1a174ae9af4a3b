"""What the prosody encoder's channels tell, and how pitch is drawn where there is no voice."""

import math

import numpy as np
import pytest
import torch

from ser_tl.encoders import load_encoder
from ser_tl.encoders.prosody import CHANNELS, interpolate_unvoiced

from .tiny import clip, padded

SECOND = 16_000
TIME = torch.arange(SECOND) / SECOND


def channels(waveform, **options):
    """The channels (T,) of a clip by name."""
    states = load_encoder("prosody", deltas=0, **options)(*padded([waveform])).states[0, 0]
    return dict(zip(CHANNELS, states.T, strict=True))


def test_a_tone_s_energy_crossings_and_pitch_are_those_of_its_formula():
    found = {name: values[5:-5] for name, values in channels(0.3 * torch.sin(2 * math.pi * 200 * TIME + 1)).items()}
    torch.testing.assert_close(found["energy"], torch.full((90,), 10 * math.log10(0.3**2 / 2)), atol=0.05, rtol=0)
    torch.testing.assert_close(found["zero crossings"], torch.full((90,), 2 * 200 / SECOND), atol=0, rtol=1e-4)
    torch.testing.assert_close(found["pitch"], torch.full((90,), 12 * math.log2(200 / 27.5)), atol=0.05, rtol=0)
    assert (found["voiced"] == 1).all()
    assert (found["periodicity"] > 0.95).all()


@pytest.mark.exhaustive
@pytest.mark.slow
def test_energy_is_librosa_s_rms():
    librosa = pytest.importorskip("librosa")
    waveform = clip(12_345)
    rms = librosa.feature.rms(y=waveform.numpy(), frame_length=400, hop_length=160, pad_mode="constant")[0]
    torch.testing.assert_close(
        channels(waveform)["energy"], torch.from_numpy(20 * np.log10(rms))[:78], atol=1e-3, rtol=0
    )


def test_noise_crosses_zero_at_every_other_sample_and_has_no_voice():
    found = channels(clip(SECOND))
    assert found["zero crossings"][2:-2].mean() == pytest.approx(0.5, abs=0.03)
    assert found["voiced"].max() == 0
    torch.testing.assert_close(found["pitch"], torch.full((100,), 12 * math.log2((65 * 600) ** 0.5 / 27.5)))


def test_silence_is_quiet_uncrossed_and_unvoiced():
    found = channels(torch.zeros(4000))
    assert (found["energy"] == -100).all()
    assert all((found[name] == 0).all() for name in ("zero crossings", "periodicity", "voiced"))


def test_pitch_goes_straight_from_voice_to_voice_and_is_level_at_the_ends():
    low, high = (torch.sin(2 * math.pi * hertz * TIME[:8000]) for hertz in (150, 300))
    pause = torch.zeros(3200)
    found = channels(0.3 * torch.cat([pause, low, pause, high, pause]))
    voiced, pitch = found["voiced"] > 0, found["pitch"]
    first, last = voiced.nonzero()[0, 0], voiced.nonzero()[-1, 0]
    assert (pitch[:first] == pitch[first]).all()
    assert (pitch[last:] == pitch[last]).all()
    between = pitch[75:85]  # seconds 0.75 to 0.85, the middle of the pause
    assert not voiced[75:85].any()
    rise = between.diff()
    torch.testing.assert_close(rise, rise[:1].expand(9), atol=1e-4, rtol=0)
    assert 0.3 < rise[0] < 0.9  # an octave, 12 semitones, over about 20 frames


def test_a_bridge_is_straight_level_beyond_its_ends_and_elsewhere_as_told():
    values = torch.tensor([[9.0, 1.0, 9.0, 9.0, 4.0, 9.0]]).repeat(3, 1)
    known = torch.tensor([[0, 1, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]]).bool()
    found = interpolate_unvoiced(values, known, 7.0)
    torch.testing.assert_close(found[0], torch.tensor([1.0, 1, 2, 3, 4, 4]))
    assert (found[1] == 7).all()
    assert torch.equal(found[2], values[2])


def test_a_bridge_ends_with_its_clip_and_not_with_the_batch():
    wave = 0.3 * torch.sin(2 * math.pi * 200 * TIME)
    encoder = load_encoder("prosody")
    short = torch.cat([wave[:4000], torch.zeros(4000)])
    together = encoder(*padded([short, wave], behind=0.5)).states[0, 0, :50]
    torch.testing.assert_close(together, encoder(*padded([short])).states[0, 0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("deltas", [0, 1, 2])
def test_slopes_follow_the_channels_in_order(deltas):
    waveform, lengths = padded([0.3 * torch.sin(2 * math.pi * 100 * (1 + TIME) * TIME) * (0.1 + TIME)])
    states = load_encoder("prosody", deltas=deltas)(waveform, lengths).states[0, 0]
    assert states.shape == (100, 5 * (1 + deltas))
    if deltas:
        rise = (states[54, :5] - states[46, :5]) / 8  # across nine frames, where all is smooth
        torch.testing.assert_close(states[50, [5, 7]], rise[[0, 2]], atol=0.05, rtol=0.1)
        assert states[50, 5] > 0
        assert states[50, 7] > 0
