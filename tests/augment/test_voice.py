"""Speed, tempo, pitch: durations by the factor, pitch moved or kept."""

import math

import pytest
import torch
from torchaudio.functional import phase_vocoder

from ser_tl.augment import BatchRng, build_transform
from ser_tl.augment.vocoder import HOP, SIZE, interpolate_phase
from ser_tl.errors import ConfigError
from tests.augment.sounds import RATE, batch, frequency, speech, tone

PITCHES = (110.0, 220.0, 440.0)


def changed(name, **options):
    clips = [tone(seconds, hertz) for seconds, hertz in zip((1.0, 1.4, 0.8), PITCHES, strict=True)]
    waveform, lengths = batch(*clips)
    found = build_transform(name, {"probability": 1.0} | options)(waveform, lengths, BatchRng(2))
    return lengths, found


def cents(heard, before):
    return 1200 * math.log2(heard / before)


def middle(clip):
    return clip[len(clip) // 8 : -len(clip) // 8]


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.1, [0.9, 1.1], 1.37])
def test_speed_moves_duration_and_pitch_by_the_factor(factor):
    lengths, found = changed("speed", factor=factor)
    for row, speed in enumerate(found.drawn["speed"]):
        assert int(found.lengths[row]) == pytest.approx(int(lengths[row]) / speed, abs=1.5)
        heard = frequency(middle(found.waveform[row, : found.lengths[row]]))
        assert cents(heard, PITCHES[row]) == pytest.approx(1200 * math.log2(speed), abs=3)


def test_speeds_come_in_steps():
    waveform, lengths = batch(*(speech(0.2, number) for number in range(60)))
    found = build_transform("speed", {"probability": 1.0, "step": 0.1})(waveform, lengths, BatchRng(0))
    assert sorted(set(found.drawn["speed"])) == pytest.approx([0.9, 1.0, 1.1])
    with pytest.raises(ConfigError, match=r"speed: step is 0.015: expected hundredths"):
        build_transform("speed", {"step": 0.015})


@pytest.mark.parametrize("factor", [0.85, 1.0, 1.15, [0.85, 1.15], 1.6])
def test_stretch_moves_the_duration_and_keeps_the_pitch(factor):
    lengths, found = changed("stretch", factor=factor)
    for row, tempo in enumerate(found.drawn["tempo"]):
        assert int(found.lengths[row]) == round(int(lengths[row]) / tempo)
        clip = middle(found.waveform[row, : found.lengths[row]])
        assert abs(cents(frequency(clip), PITCHES[row])) < 5
        assert clip.square().mean().sqrt() == pytest.approx(0.3 / math.sqrt(2), rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("shift", [50, -50, [-50, 50], 0, 400, -700])
def test_pitch_moves_by_the_cents_and_the_duration_stays(shift):
    lengths, found = changed("pitch", cents=shift)
    assert torch.equal(found.lengths, lengths)
    low, high = shift if isinstance(shift, list) else (shift, shift)
    for row, drawn in enumerate(found.drawn["shift in cents"]):
        assert low - 2.2 <= drawn <= high + 2.2
        clip = middle(found.waveform[row, : found.lengths[row]])
        assert cents(frequency(clip), PITCHES[row]) == pytest.approx(drawn, abs=5)
        assert clip.square().mean().sqrt() == pytest.approx(0.3 / math.sqrt(2), rel=0.05)


def test_stretched_speech_keeps_its_events_in_place():
    """A click at a third of the clip is at a third of it afterwards."""
    clip = 0.001 * speech(1.5)
    clip[RATE // 2 : RATE // 2 + 40] = 0.5
    waveform, lengths = batch(clip)
    found = build_transform("stretch", {"probability": 1.0, "factor": 0.85})(waveform, lengths, BatchRng(0))
    assert int(found.waveform[0].abs().argmax()) == pytest.approx(RATE / 2 / 0.85, abs=HOP)


@pytest.mark.parametrize("rate", [0.85, 1.1])
def test_the_phases_are_torchaudios(rate):
    spectrum = torch.stft(speech(1.0)[None], SIZE, HOP, window=torch.hann_window(SIZE), return_complex=True)
    advance = torch.linspace(0, math.pi * HOP, SIZE // 2 + 1, dtype=torch.float64)[:, None]
    expected = phase_vocoder(spectrum.to(torch.complex128), rate, advance)
    places = torch.arange(0, spectrum.shape[2] - 1, rate, dtype=torch.float64)[None]
    found = interpolate_phase(spectrum.to(torch.complex128), places.long(), places - places.floor())
    count = found.shape[2]
    torch.testing.assert_close(found, expected[..., :count], atol=1e-6, rtol=1e-6)
