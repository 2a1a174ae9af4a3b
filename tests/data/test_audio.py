"""Decoding: every format to the same waveform, and nothing broken gets through."""

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ser_tl.data.audio import SILENCE, AudioConfig, decode, duration, normalise, windows
from ser_tl.errors import AudioError, ConfigError
from tests.combinations import each_value_once

WAV16, FLAC, VORBIS, OPUS, MP3, AIFF = (
    ("WAV", "PCM_16"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
    ("AIFF", "PCM_16"),
)
KINDS = [("WAV", subtype) for subtype in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT")] + [
    WAV16,
    FLAC,
    VORBIS,
    OPUS,
    MP3,
    AIFF,
]
RATES = (8000, 16000, 22050, 44100, 48000)
WRITABLE = [
    (kind, rate, channels)
    for kind in KINDS
    for rate in RATES
    for channels in (1, 2, 6)
    if not (kind == MP3 and channels > 2) and not (kind == OPUS and rate in (22050, 44100))
]


def tone(hertz=440, *, rate=16000, seconds=1.0, level=0.3):
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def speechlike(seconds=3.0, rate=16000):
    """Noise whose every part sounds different, below half the rate of the slowest format."""
    noise = np.cumsum(np.random.default_rng(0).normal(size=round(seconds * rate)))
    noise -= np.convolve(noise, np.ones(64) / 64, mode="same")
    return 0.4 * noise / np.abs(noise).max()


def encode(waveform, kind=WAV16, rate=16000, **how):
    file = io.BytesIO()
    soundfile.write(file, waveform, rate, format=kind[0], subtype=kind[1], **how)
    return file.getvalue()


def measure(waveform):
    """Frequency in Hz and level of a tone, away from the edges."""
    middle = waveform[4000:12000]
    return int(np.abs(np.fft.rfft(middle)).argmax()) * 2, np.sqrt(2 * np.mean(middle**2))


def refused(source, *parts, **where):
    """The message of the error, which has all parts."""
    with pytest.raises(AudioError) as caught:
        decode(source, **where)
    for part in parts:
        assert part in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("kind", "rate", "channels"), WRITABLE)
def test_every_format_becomes_mono_float32_at_16_khz(kind, rate, channels):
    waveform = decode(encode(np.stack([tone(rate=rate)] * channels, axis=1), kind, rate))
    hertz, level = measure(waveform)
    assert (waveform.dtype, waveform.shape) == (np.float32, (16000,))
    assert hertz == 440
    # Vorbis and Opus give the fourth of six channels to a subwoofer, where a tone of 440 Hz isn't heard.
    expected = 0.3 * 5 / 6 if kind in (VORBIS, OPUS) and channels == 6 and level < 0.28 else 0.3
    assert level == pytest.approx(expected, rel=0.04)


def test_stereo_is_averaged_and_not_laid_end_to_end():
    waveform = decode(encode(np.stack([tone(400, level=0.6), tone(1000, level=0.2)], axis=1)))
    spectrum = np.abs(np.fft.rfft(waveform)) / 8000
    assert len(waveform) == 16000
    assert spectrum[[400, 1000]] == pytest.approx([0.3, 0.1], abs=1e-3)


def test_a_tone_above_8_khz_is_filtered_out_and_not_folded_down():
    waveform = decode(encode(tone(12000, rate=48000) + tone(440, rate=48000, level=0.1), rate=48000))
    assert np.abs(waveform[4000:12000]).max() == pytest.approx(0.1, rel=0.02)


def test_samples_stay_within_full_scale():
    waveform = decode(encode(tone(level=1.7), ("WAV", "FLOAT")))
    assert np.abs(waveform).max() == 1.0
    square = np.sign(tone(rate=48000)) * 0.999  # resampling overshoots at the edges
    assert np.abs(decode(encode(square, rate=48000))).max() <= 1.0


@pytest.mark.parametrize("kind", [WAV16, FLAC, VORBIS, OPUS, MP3, AIFF])
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.7, 1.95), (2.5, None)])
def test_a_part_is_that_part_of_the_whole(kind, start, end):
    source = encode(speechlike(rate=48000), kind, 48000)
    part, expected = decode(source, start, end), decode(source)[round(start * 16000) : round((end or 3) * 16000)]
    assert len(part) == len(expected)
    assert np.abs(part - expected)[100:-100].max() < 2e-3  # the resampler and MP3's overlap don't see beyond the edges


def test_parts_may_overshoot_by_a_rounding_and_no_further():
    source = encode(tone())
    assert len(decode(source, 0.5, 1.05)) == 8000
    assert "from 0.5 s to 1.2 s, the file has 1 s: correct start and end" in refused(source, start=0.5, end=1.2)


@pytest.mark.parametrize(
    ("start", "end"),
    [(1.0, None), (7.0, 8.0), (1.01, 1.05), (0.5, 0.5), (0.5, 0.50001), (0.5, 0.2), (-0.5, 0.5), (float("nan"), None)],
)
def test_a_part_that_is_no_part_is_refused(start, end):
    refused(encode(tone()), "no audio from", "correct start and end", start=start, end=end)


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_and_paths_of_either_type_are_alike(kind, tmp_path):
    content = encode(speechlike(0.5), kind)
    path = tmp_path / "clip.bin"  # the content tells the format, not the name
    path.write_bytes(content)
    assert np.array_equal(decode(content), decode(path))
    assert np.array_equal(decode(content), decode(str(path)))
    assert duration(content) == duration(path) == 0.5


def test_the_header_tells_the_duration():
    assert duration(encode(speechlike(3.0, 44100), MP3, 44100)) == 3.0
    whole = encode(tone(), FLAC)
    assert duration(whole[: len(whole) // 2]) == 1.0
    with pytest.raises(AudioError, match="cut short"):
        duration(encode(tone())[:-1])


@pytest.mark.parametrize(
    ("name", "content", "found", "remedy"),
    [
        ("empty.wav", b"", "empty, 0 bytes", "restore the file or leave it out"),
        ("header.wav", encode(np.zeros(0)), "it has no samples", "restore the file or leave it out"),
        ("notes.wav", b"Take 3 was the best one. " * 50, "not audio that can be read", "expected WAV, FLAC, Ogg"),
        ("zeros.mp3", bytes(5000), "not audio that can be read", "MP3 or AIFF"),
        ("silent.flac", encode(np.zeros(8000), FLAC), "silent, no sample above 0.0001", "leave it out"),
        ("faint.wav", encode(tone(level=0.9 * SILENCE), ("WAV", "FLOAT")), "silent", "export it again"),
        ("nan.wav", encode(np.where(np.arange(900) == 7, np.nan, 0.1), ("WAV", "FLOAT")), "NaN", "export it again"),
        ("inf.wav", encode(np.where(np.arange(900) == 7, np.inf, 0.1), ("WAV", "FLOAT")), "infinite", "leave it out"),
        ("short.wav", encode(np.full(1, 0.3), rate=48000), "too short, 1 samples at 48000 Hz", "leave it out"),
    ],
    ids=lambda value: "bytes" if isinstance(value, bytes) else value.split(",")[0],
)
def test_broken_files_are_named_with_the_way_out(tmp_path, name, content, found, remedy):
    path = tmp_path / name
    path.write_bytes(content)
    refused(path, str(path), found, remedy)


def test_what_is_no_file_is_named(tmp_path):
    refused(tmp_path / "lost.wav", f"{tmp_path / 'lost.wav'}: no such file")
    refused(tmp_path, f"{tmp_path}: a folder, expected a file")


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
@pytest.mark.parametrize("kind", [WAV16, ("WAV", "FLOAT"), FLAC, VORBIS, OPUS, MP3, AIFF])
def test_a_file_cut_short_is_refused_whatever_its_format(tmp_path, kind, share):
    whole = encode(speechlike(8.0), kind)
    path = tmp_path / f"cut.{kind[0].lower()}"
    path.write_bytes(whole[: round(len(whole) * share)])
    assert "cut short" in refused(path, str(path), "restore the file") or "damaged" in refused(path)
    assert len(decode(whole)) == 8 * 16000


@pytest.mark.parametrize("kind", [WAV16, FLAC, VORBIS, OPUS, AIFF])
def test_a_single_missing_byte_is_noticed(kind):
    refused(encode(speechlike(), kind)[:-1], "restore the file")


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x7FFFF000])
def test_a_wav_from_a_pipe_is_read_to_its_end(size):
    content = encode(tone())
    place = content.index(b"data") + 4
    streamed = content[:4] + struct.pack("<I", size) + content[8:place] + struct.pack("<I", size) + content[place + 4 :]
    assert np.array_equal(decode(streamed), decode(content))


def test_a_flac_from_a_pipe_is_refused_with_the_way_out():
    content = bytearray(encode(tone(), FLAC))
    content[21] &= 0xF0  # the 36 bits of STREAMINFO that count the samples
    content[22:26] = bytes(4)
    refused(bytes(content), "doesn't tell its length", "encode it again, to a file")


@pytest.mark.parametrize("rate", [16000, 44100])
def test_an_mp3_without_a_length_is_read_whole(rate):
    content = encode(speechlike(3.0, rate), MP3, rate, bitrate_mode="CONSTANT", compression_level=0.5)
    bare = content[content.index(content[:2], 100) :]  # without its first frame, which holds the length
    assert b"Info" in content[:50]
    assert b"Info" not in bare[:50]
    assert len(decode(bare)) == pytest.approx(len(decode(content)), abs=1600)
    assert len(decode(bare + b"TAG" + bytes(125))) == len(decode(bare))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "quiet_first"), each_value_once([11025, 16000, 24000, 32000, 44100, 48000], [True, False])
)
def test_an_mp3_of_a_varying_rate_without_a_length_is_read_whole(rate, quiet_first):
    quiet, loud = 0.002 * speechlike(4.0, rate), speechlike(4.0, rate)
    clip = np.concatenate([quiet, loud][:: 1 if quiet_first else -1])
    whole = encode(clip, MP3, rate, bitrate_mode="VARIABLE", compression_level=0.5)
    bare = whole[whole.index(whole[:2], 100) :]
    tagged = b"ID3\x04\0\0\0\0\x01\x02" + bytes(130) + bare
    assert len(decode(whole)) == 128000
    assert duration(bare) == pytest.approx(8.0, abs=0.25)  # the encoder's own delay, of whole frames
    assert np.array_equal(decode(tagged), decode(bare))
    first, second = (np.square(decode(bare)[start : start + 48000]).mean() for start in (8000, 72000))
    assert max(first, second) > 1000 * min(first, second)
    assert (first < second) == quiet_first  # each half is where it was


def test_floats_at_the_scale_of_integers_are_refused_with_the_way_out():
    clip = tone()
    assert np.abs(decode(encode(10 * clip, ("WAV", "FLOAT")))).max() == 1.0  # overdriven, and clipped
    refused(encode(32768 * clip, ("WAV", "FLOAT")), "samples up to 9830.4", "divide them by the full scale")


@pytest.mark.slow
def test_ogg_may_go_on_after_its_stream_or_stop_between_pages():
    content = encode(speechlike(8.0), OPUS)
    last = content.rindex(b"OggS")
    assert len(decode(content + bytes(100))) == 8 * 16000
    assert 6 * 16000 < len(decode(content[:last])) < 8 * 16000  # a recorder that was stopped
    for more in (2, 4, 20, 40):
        refused(content[: last + more], "in the middle of an Ogg page")


def test_silence_is_let_through_where_it_is_asked_for():
    pause = np.concatenate([np.zeros(16000), tone()])
    refused(encode(pause), "silent", end=0.9)
    assert not decode(encode(pause), end=0.9, silence=True).any()
    refused(encode(pause)[:-1], "cut short", end=0.9)
    with pytest.raises(AudioError, match="cut short"):
        decode(encode(pause)[:-1], end=0.9, silence=True)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(seconds=st.floats(0.01, 600), longest=st.floats(0.1, 60))
def test_windows_cover_the_clip_evenly_with_as_few_as_it_takes(seconds, longest):
    found = windows(seconds, longest)
    starts, ends = (np.array(side) for side in zip(*found, strict=True))
    assert starts[0] == 0.0
    assert ends[-1] == pytest.approx(seconds)
    assert ends - starts == pytest.approx(np.full(len(found), min(seconds, longest)))
    assert (starts[1:] <= ends[:-1] + 1e-9).all()
    assert (np.diff(starts) > 0).all()
    assert len(found) == max(1, np.ceil(seconds / longest))


def test_a_clip_of_exactly_the_longest_window_is_one_window():
    assert windows(12.0, 12.0) == [(0.0, 12.0)]
    assert windows(13.0, 12.0) == [(0.0, 12.0), (1.0, 13.0)]


@pytest.mark.parametrize("level", [0.002, 0.5, 1.0])
def test_normalise_sets_the_level_and_keeps_the_shape(level):
    waveform = speechlike().astype(np.float32) * np.float32(level)
    peak, rms = normalise(waveform, "peak"), normalise(waveform, "rms")
    assert normalise(waveform, "none") is waveform
    assert np.abs(peak).max() == pytest.approx(1)
    assert np.sqrt(np.mean(rms**2)) == pytest.approx(0.1, rel=1e-4)
    assert peak.dtype == rms.dtype == np.float32
    assert np.corrcoef(peak, waveform)[0, 1] == pytest.approx(1)


@pytest.mark.parametrize("how", ["none", "peak", "rms"])
def test_normalise_leaves_silence_silent(how):
    with np.errstate(all="raise"):
        assert not normalise(np.zeros(100, np.float32), how).any()


@pytest.mark.parametrize("seconds", [0.0, 0.05, -1.0, float("nan")])
def test_clips_too_short_for_an_encoder_are_refused(seconds):
    with pytest.raises(ConfigError, match=r"audio.max_seconds is .*at least 0.1 s"):
        AudioConfig(max_seconds=seconds)
