"""The gate of speech: silence and room tone at the ends go, speech stays, and what is added to a clip moves nothing."""

import numpy as np
import pytest
import torch

from ser_tl.modules.speech import FRAME, HANGOVER, SpeechGate, find_speech

GATE = SpeechGate()
KEPT = HANGOVER * FRAME  # samples of what stands beside speech that may stay
ROUNDED = 5 * FRAME  # an edge's uncertainty: smoothing, and the grid of frames


def speech(seconds=1.5, seed=0, level=0.2):
    """Syllables: noise under a tone that swells four times a second, never silent for long."""
    draw = np.random.default_rng(seed)
    time = np.arange(round(16_000 * seconds)) / 16_000
    swell = 0.15 + np.abs(np.sin(2 * np.pi * 2.0 * time + 0.7))
    wave = swell * (np.sin(2 * np.pi * 170 * time) + 0.3 * draw.standard_normal(len(time)))
    return (level * wave / np.abs(wave).max()).astype(np.float32)


def noise(seconds, decibels, seed=1):
    draw = np.random.default_rng(seed)
    return (10 ** (decibels / 20) * draw.standard_normal(round(16_000 * seconds))).astype(np.float32)


def gated(*parts):
    whole = torch.from_numpy(np.concatenate(parts))
    return GATE(whole[None], torch.tensor([len(whole)]))


def bounds(found):
    return int(found.onsets[0]), int(found.onsets[0] + found.lengths[0])


def zeros(seconds):
    return np.zeros(round(16_000 * seconds), np.float32)


@pytest.mark.parametrize(
    ("before", "behind"),
    [(zeros(1.0), zeros(0)), (zeros(0), zeros(1.0)), (zeros(4.0), zeros(2.0)), (zeros(0.7), noise(1.0, -60)),
     (noise(1.0, -60), noise(1.0, -60)), (noise(1.0, -50), noise(1.0, -50)), (noise(2.0, -40), noise(0.5, -40))],
    ids=["before", "behind", "long", "both kinds", "room", "loud room", "louder than 30 dB below"],
)  # fmt: skip
def test_silence_and_room_tone_go_from_both_ends_and_speech_stays(before, behind):
    clip = speech()
    first, last = bounds(gated(before, clip, behind))
    assert len(before) - KEPT - ROUNDED <= first <= len(before) + ROUNDED
    assert len(before) + len(clip) - ROUNDED <= last <= len(before) + len(clip) + KEPT + ROUNDED


def test_what_is_left_is_the_clip_moved_to_its_beginning():
    whole = torch.from_numpy(np.concatenate([zeros(1.0), speech(), zeros(0.5)]))
    found = GATE(whole[None], torch.tensor([len(whole)]))
    first, last = bounds(found)
    assert found.waveform.shape == (1, last - first)
    assert torch.equal(found.waveform[0], whole[first:last])
    assert found.seconds[0] == pytest.approx((last - first) / 16_000)


def test_digital_silence_moves_no_threshold():
    clip = np.concatenate([noise(0.4, -45), speech(), noise(0.3, -45)])
    alone, _ = find_speech(torch.from_numpy(clip)[None], torch.tensor([len(clip)]))
    more = np.concatenate([zeros(3.0), clip, zeros(5.0)])
    beside, _ = find_speech(torch.from_numpy(more)[None], torch.tensor([len(more)]))
    inner = slice(HANGOVER + 2, -HANGOVER - 2)
    assert torch.equal(beside[0, 300 : 300 + alone.shape[1]][inner], alone[0][inner])


def test_pauses_within_are_kept():
    found = gated(speech(1.0), zeros(0.8), speech(1.0, seed=3))
    assert int(found.lengths[0]) >= 16_000 * 2.8 - 2 * ROUNDED


def test_a_click_is_no_speech():
    click = zeros(1.0)
    click[5000:5020] = 0.9
    first, _ = bounds(gated(click, speech()))
    assert first >= 16_000 - KEPT - ROUNDED


def test_an_offset_of_the_microphone_is_no_sound():
    whole = np.concatenate([noise(1.0, -60), speech(), noise(1.0, -60)])
    assert bounds(gated(whole + 0.1)) == bounds(gated(whole))


@pytest.mark.parametrize("decibels", [-26, -20, 0, 6])
def test_the_level_of_a_recording_changes_nothing(decibels):
    whole = np.concatenate([noise(1.0, -65), speech(level=0.4), noise(1.0, -65)])
    assert bounds(gated((10 ** (decibels / 20) * whole).astype(np.float32))) == bounds(gated(whole))


@pytest.mark.parametrize(
    "nothing",
    [zeros(2.0), noise(2.0, -80), noise(2.0, -60), noise(2.0, -55), zeros(0.001), np.full(16_000, 0.3, np.float32)],
    ids=["zeros", "faint", "room", "loud room", "shortest", "offset"],
)
def test_silence_is_no_speech_and_stays_whole(nothing):
    found = gated(nothing)
    assert found.seconds.tolist() == [0.0]
    assert bounds(found) == (0, len(nothing))
    assert torch.equal(found.waveform[0], torch.from_numpy(nothing))


@pytest.mark.parametrize(
    "sound", [noise(1.0, -20), speech(0.2), speech(level=0.01)], ids=["loud noise", "short", "soft"]
)
def test_what_may_be_speech_counts_as_speech(sound):
    found = gated(sound)
    assert found.seconds[0] > 0.5 * len(sound) / 16_000


def test_a_clip_has_the_same_speech_alone_and_in_a_batch_whatever_stands_behind_it():
    clips = [
        np.concatenate([zeros(0.5), speech(0.7)]),
        speech(2.0, seed=4),
        zeros(0.3),
        np.concatenate([noise(1.0, -60), speech(0.4, seed=5), zeros(1.0)]),
    ]
    lengths = torch.tensor([len(clip) for clip in clips])
    batch = torch.full((len(clips), int(lengths.max()) + 777), 0.5)
    for row, clip in zip(batch, clips, strict=True):
        row[: len(clip)] = torch.from_numpy(clip)
    together = GATE(batch, lengths)
    for index, clip in enumerate(clips):
        alone = gated(clip)
        size = int(alone.lengths[0])
        assert bounds(alone) == (int(together.onsets[index]), int(together.onsets[index] + together.lengths[index]))
        assert torch.equal(together.waveform[index, :size], alone.waveform[0])
        assert not together.waveform[index, size:].any()
        assert together.seconds[index] == alone.seconds[0]


def test_a_graph_of_one_length_finds_the_same_speech(monkeypatch):
    clips = torch.stack([torch.from_numpy(samples) for samples in _clips_of_all_kinds()])
    lengths = torch.tensor([clips.shape[1]] * len(clips))
    lengths[-1] = 3000
    expected = SpeechGate()(clips, lengths)
    assert 0 < int((expected.seconds > 0).sum()) < len(clips)
    monkeypatch.setattr("ser_tl.modules.graph.is_exporting", lambda: True)
    for found, wanted in zip(SpeechGate()(clips, lengths), expected, strict=True):
        assert torch.equal(found, wanted)
    alone = [SpeechGate()(clips[index : index + 1], lengths[index : index + 1]) for index in range(len(clips))]
    assert [int(one.lengths) for one in alone] == expected.lengths.tolist()
    for index, one in enumerate(alone):
        assert torch.equal(one.waveform[0], expected.waveform[index, : one.waveform.shape[1]])


def _clips_of_all_kinds() -> list[np.ndarray]:
    """Speech-like noise in silence, digital silence, a level tone (whose frames tie), a faint clip, and a short one."""
    draw, count = np.random.default_rng(0), 16_000
    noise = draw.normal(size=count).astype(np.float32)
    inside = (np.arange(count) > 4000) & (np.arange(count) < 11_000)
    tone = np.where(np.arange(count) % 2, 0.2, -0.2).astype(np.float32)
    return [0.1 * noise * inside, 0 * noise, tone, 1e-5 * noise, 0.1 * noise * inside + 1e-3 * noise, 0.1 * noise]
