"""The parts of a stream: resampler, gate, scorers, smoothers."""

import numpy as np
import pytest
import soxr

from ser_tl.streaming.energy import EnergyScorer
from ser_tl.streaming.gate import FRAME, SpeechGate
from ser_tl.streaming.resampling import StreamResampler
from ser_tl.streaming.silero import SileroScorer
from ser_tl.streaming.smoothing import make_smoother
from ser_tl.streaming.turns import TurnFinder
from tests.streaming.sounds import RATE, chunks, conversation, pause, voiced


class Script:
    """Scores as they are written down."""

    on, off, name = 0.5, 0.35, "script"

    def __init__(self, *scores):
        self.scores = list(scores)

    def score(self, frame):
        return self.scores.pop(0)

    def reset(self):
        pass


def follow(scores, **options):
    """The frame at which a turn is open after each score."""
    gate = SpeechGate(Script(*scores), **options)
    ended, onsets = [], []
    for number in range(len(scores)):
        if gate.push(np.zeros(FRAME, np.float32), (number + 1) * FRAME):
            ended.append(gate.end // FRAME)
        onsets.append(None if gate.onset is None else gate.onset // FRAME)
    return onsets, ended


def test_a_gate_has_two_thresholds_confirms_and_hangs_over():
    one = {"confirm": FRAME / RATE, "hangover": 2 * FRAME / RATE}
    assert follow([0.4, 0.6, 0.4, 0.3, 0.4, 0.4], **one) == ([None, 1, 1, 1, None, None], [3])
    assert follow([0.6, 0.3, 0.6, 0.3, 0.3], **one) == ([0, 0, 0, 0, None], [3])
    two = one | {"confirm": 2 * FRAME / RATE}
    assert follow([0.9, 0.1, 0.9, 0.9, 0.1, 0.1], **two) == ([None, None, None, 2, 2, None], [4])


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000])
def test_a_stream_is_resampled_as_a_whole_and_the_lag_is_known(rate):
    signal, resampler = voiced(2.3, rate), StreamResampler()
    pieces = []
    for block in chunks(signal, [7, 4410, 999]):
        pieces.append(resampler.push(block, rate))
        assert 0 <= resampler.pending < 0.15
    pieces.append(resampler.finish())
    whole = np.clip(soxr.resample(signal, rate, RATE), -1, 1)
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    assert abs(resampler.pending) < 1 / RATE


def test_a_hundred_changes_of_rate_lose_nothing():
    resampler, count, seconds = StreamResampler(), 0, 0
    for number in range(100):
        rate = (44_100, 16_000, 11_025)[number % 3]
        count += len(resampler.push(voiced(0.0337, rate), rate))
        seconds += round(0.0337 * rate) / rate
    count += len(resampler.finish())
    assert abs(count - seconds * RATE) <= 1


def turns_of(scorer, signal):
    finder = TurnFinder(SpeechGate(scorer))
    return [(one.start / RATE, one.stop / RATE) for one in [*finder.find(signal), finder.finish()] if one]


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.004])
def test_energy_finds_the_turns_in_a_room_with_noise(noise):
    signal = conversation(0.0, 5.0, 2.0, 0.7, 1.5, 1.0)
    signal = signal + noise * np.random.default_rng(0).standard_normal(len(signal)).astype(np.float32)
    found = [turn for turn in turns_of(EnergyScorer(), signal) if turn[0] > 4.5]  # noise counts for 4 s at most
    assert np.array(found) == pytest.approx(np.array([(5.0, 7.0), (7.7, 9.2)]), abs=0.07)


@pytest.mark.parametrize("decibels", [-45, -54])
def test_a_recording_at_a_low_level_has_its_turns(decibels):
    signal = conversation(0.0, 5.0, 2.0, 0.7, 1.5, 1.0)  # 5 s of room first, in which the floor sinks
    signal *= 10 ** (decibels / 20) / np.sqrt(np.mean(np.square(voiced(2.0, seed=2))))
    signal += 10 ** (-76 / 20) * np.random.default_rng(0).standard_normal(len(signal)).astype(np.float32)
    found = turns_of(EnergyScorer(), signal)
    assert np.array(found) == pytest.approx(np.array([(5.0, 7.0), (7.7, 9.2)]), abs=0.07)


def test_steady_noise_stops_being_speech():
    noise = 0.01 * np.random.default_rng(0).standard_normal(20 * RATE).astype(np.float32)
    assert all(stop < 6 for _, stop in turns_of(EnergyScorer(), noise))


def test_a_click_is_no_turn():
    signal = pause(3.0)
    signal[RATE : RATE + 300] = 0.8
    assert turns_of(EnergyScorer(), signal) == []


def test_silero_tells_speech_from_noise_and_tones(shared_or_bundled):
    pytest.importorskip("onnxruntime", reason="silero runs in onnxruntime, which isn't installed")
    speech = shared_or_bundled
    signal = np.concatenate([pause(1.0), speech, pause(1.0)])
    (start, stop), *others = turns_of(SileroScorer(), signal)
    assert not others
    assert start == pytest.approx(1.0, abs=0.2)
    assert stop == pytest.approx(1.0 + len(speech) / RATE, abs=0.35)
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE).astype(np.float32)
    assert turns_of(SileroScorer(), tone) == []
    assert turns_of(EnergyScorer(), tone) != []  # which loudness can't tell


@pytest.fixture
def shared_or_bundled():
    from ser_tl.assets import asset
    from ser_tl.data.audio import decode

    return decode(asset("emodb_mini") / "14a02Wc.opus")


def test_smoothers():
    rows = [np.array(row) for row in ([0.9, 0.1], [0.4, 0.6], [0.45, 0.55], [0.9, 0.1])]
    ema = make_smoother("ema:0.5")
    assert [round(float(ema.smooth(row)[0]), 4) for row in rows] == [0.9, 0.65, 0.55, 0.725]
    ema.reset()
    assert ema.smooth(rows[1])[0] == 0.4
    vote = make_smoother("vote:3")
    assert [int(vote.smooth(row).argmax()) for row in rows] == [0, 0, 1, 1]  # a tie goes to the higher probabilities
    assert vote.smooth(rows[0]).sum() == pytest.approx(1)
    assert make_smoother("none").smooth(rows[0]) is rows[0]
