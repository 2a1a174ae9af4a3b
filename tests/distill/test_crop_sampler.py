"""Crops of long files: from everywhere, the same again, and within the memory given."""

import numpy as np
import pytest
import soundfile
import torch

from ser_tl.augment import BatchRng
from ser_tl.data.audio import decode
from ser_tl.distill import CropSampler, find_recordings
from ser_tl.errors import CorpusError
from tests.distill.samples import audio_folder, recordings


def ramp(folder, *seconds):
    """Files whose samples tell where they stand: the file's number in the sign, the time in the level."""
    folder.mkdir()
    for number, length in enumerate(seconds):
        level = np.linspace(0.1, 0.9, round(16000 * length)) * (-1) ** number
        soundfile.write(folder / f"{number}.flac", level, 16000)
    return folder


def test_every_second_is_drawn_as_often(tmp_path):
    found = recordings(ramp(tmp_path / "audio", 9.0, 3.0), crop=0.1)
    first = torch.cat([found.draw(50, BatchRng(step))[0][:, 0] for step in range(20)])
    assert float((first > 0).float().mean()) == pytest.approx(0.75, abs=0.04)  # 9 of 12 seconds are the first file's
    long = first[first > 0]
    assert float(long.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(long.min()) < 0.12
    assert float(long.max()) > 0.87


def test_a_crop_is_a_stretch_of_its_file_held_in_memory_or_not(tmp_path):
    folder = audio_folder(tmp_path / "audio", 2.0, 3.0)
    held, read = (recordings(folder, memory=memory) for memory in (1.0, 0.0))
    (one, lengths), (other, _) = (each.draw(4, BatchRng(7)) for each in (held, read))
    assert lengths.tolist() == [8000] * 4
    torch.testing.assert_close(one, other, rtol=0.0, atol=2e-4)
    assert not read.decoded
    assert {clip.dtype for clip in held.decoded.values()} == {np.dtype(np.int16)}
    whole = [torch.from_numpy(decode(path)) for path in sorted(folder.iterdir())]
    for crop in other:
        begins = [(clip, int(place)) for clip in whole for place in (clip == crop[0]).nonzero()[:, 0]]
        assert any(torch.equal(clip[place : place + 8000], crop) for clip, place in begins)
    assert "0.00 h in 2 recordings; decoded audio will take 0 MB" in str(held)
    assert "read in every step" in str(read)


def test_memory_is_kept_to(tmp_path):
    found = recordings(audio_folder(tmp_path / "audio", 2.0, 2.0), memory=3.0 * 32000 / 2**30)
    for step in range(8):
        found.draw(4, BatchRng(step))
    assert len(found.decoded) == 1


def test_shorter_recordings_are_whole_with_silence_behind(tmp_path):
    found = recordings(audio_folder(tmp_path / "audio", 0.2, 2.0), crop=1.0)
    draws = [found.draw(6, BatchRng(step)) for step in range(6)]
    waveform, lengths = next(one for one in draws if one[1].min() < one[1].max())
    short = int(lengths.argmin())
    assert lengths[short] == 3200
    assert not waveform[short, 3200:].any()


def test_files_of_all_formats_and_rates_in_folders_below(tmp_path):
    tone = 0.3 * np.sin(np.arange(48000) / 20)
    (tmp_path / "a" / "b").mkdir(parents=True)
    soundfile.write(tmp_path / "a" / "one.ogg", tone, 48000, format="OGG", subtype="OPUS")
    soundfile.write(tmp_path / "a" / "b" / "one.flac", tone, 16000)
    soundfile.write(tmp_path / "two.ogg", np.stack([tone, tone], axis=1), 44100, format="OGG", subtype="VORBIS")
    (tmp_path / "README.md").write_text("no audio")
    found = find_recordings("", folder=tmp_path)
    assert sorted(round(one.seconds, 2) for one in found) == [1.0, 1.09, 3.0]
    waveform, _ = CropSampler(found, 0.5, 1.0).draw(8, BatchRng(0))
    assert waveform.shape == (8, 8000)


@pytest.mark.slow
@pytest.mark.parametrize("memory", [1.0, 0.0])
def test_speed_moves_pitch_and_keeps_the_crop_s_length(tmp_path, memory):
    folder = tmp_path / "audio"
    folder.mkdir()
    soundfile.write(folder / "tone.flac", 0.3 * np.sin(np.arange(64000) * (2 * np.pi * 500 / 16000)), 16000)
    faster = CropSampler(find_recordings("", folder=folder), 1.0, memory, speed=(2.0, 2.0))
    between = CropSampler(find_recordings("", folder=folder), 1.0, memory, speed=(0.8, 1.25))
    waveform, lengths = faster.draw(3, BatchRng(0))
    assert lengths.tolist() == [16000] * 3
    assert waveform.double().numpy()[:, 4000:12000] == pytest.approx(
        np.stack([_sine_like(row, 1000.0) for row in waveform.numpy()])[:, 4000:12000], abs=1e-2
    )
    peaks = torch.fft.rfft(between.draw(40, BatchRng(0))[0][:, :15900], n=16000).abs().argmax(dim=1)
    assert 395 <= int(peaks.min()) < 440
    assert 580 < int(peaks.max()) <= 630


def _sine_like(row, hertz):
    """The sine of a frequency that fits best."""
    time = np.arange(len(row)) * (2 * np.pi * hertz / 16000)
    basis = np.stack([np.sin(time), np.cos(time)], axis=1)
    return basis @ np.linalg.lstsq(basis, row, rcond=None)[0]


def test_a_folder_without_audio_is_told(tmp_path):
    with pytest.raises(CorpusError, match="a folder of audio files"):
        find_recordings("", folder=tmp_path)


@pytest.mark.slow
def test_a_corpus_is_heard_without_its_labels():
    found = find_recordings("emodb-mini")
    assert len(found) == 535
    assert all(len(one) == 3 for one in found)  # source, start, seconds: there is no place for a label


@pytest.mark.parametrize("memory", [1.0, 0.0])
def test_a_recording_of_silence_is_heard_as_silence(tmp_path, memory):
    soundfile.write(tmp_path / "pause.wav", np.zeros(16000), 16000)
    waveform, lengths = CropSampler(find_recordings("", folder=tmp_path), 0.5, memory, "rms").draw(2, BatchRng(0))
    assert lengths.tolist() == [8000, 8000]
    assert not waveform.any()
