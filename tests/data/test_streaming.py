"""Windows of long recordings: what the whole recording has there, in memory that stays as it is."""

import io
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile

from ser_tl.data.audio import AudioConfig, decode, iter_blocks, stream_windows
from ser_tl.errors import AudioError, SilentAudioError

pytestmark = pytest.mark.slow

KINDS = ["WAV", "FLAC", "OGG", "MP3", "AIFF"]
RATES = (11025, 16000, 48000)
USUAL = {
    ("WAV", 11025),
    ("WAV", 16000),
    ("OGG", 48000),
    ("AIFF", 11025),
}
"""Each kind and each rate: kinds are read without a look at what resamples them."""


def recording(kind, rate, seconds=70.0, channels=2):
    noise = np.random.default_rng(0).standard_normal((round(seconds * rate), channels), np.float32)
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, channels, format=kind) as writer:
        for start in range(0, len(noise), rate):
            writer.write(0.1 * noise[start : start + rate])
    return file.getvalue()


def cut(waveform, window):
    return waveform[round(window.start * 16000) : round(window.end * 16000)]


@pytest.mark.parametrize(
    ("kind", "rate"),
    [
        pytest.param(kind, rate, marks=() if (kind, rate) in USUAL else pytest.mark.exhaustive)
        for kind in KINDS
        for rate in RATES
    ],
)
def test_windows_are_what_the_whole_recording_has_there(kind, rate):
    content = recording(kind, rate, 35.0)
    whole = decode(content)
    assert np.array_equal(np.concatenate(list(iter_blocks(content))), whole)
    parts = AudioConfig().segments
    windows = list(stream_windows(content, parts))
    assert [window[:2] for window in windows] == parts(len(whole) / 16000)
    overlapping = list(stream_windows(io.BytesIO(content), [(start, start + 3.0) for start in np.arange(0, 32, 0.7)]))
    for window in windows + overlapping:
        assert np.array_equal(window.samples, cut(whole, window))
    apart = list(stream_windows(content, [(1.0, 2.0), (20.3, 21.7), (34.2, 35.05)]))
    assert len(apart) == 3
    for window in apart:
        assert cut(whole, window) == pytest.approx(window.samples, abs=1e-6)


class Counted(io.BytesIO):
    def __init__(self, content):
        super().__init__(content)
        self.count = 0

    def read(self, count=-1):
        content = super().read(count)
        self.count += len(content)
        return content


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "AIFF", "MP3"])
def test_a_span_of_a_long_file_leaves_the_rest_unread(kind):
    content = recording(kind, 16000, seconds=300.0, channels=1)
    for read in (
        lambda source: decode(source, 250.0, 253.0),
        lambda source: list(stream_windows(source, [(5.0, 9.0)])),
    ):
        source = Counted(content)
        read(source)
        # MP3: the headers before a place are read, in blocks
        assert source.count < len(content) * (1.2 if kind == "MP3" else 0.2)


def endless(minutes):
    """Samples of noise as a WAV of 48 kHz stereo that is nowhere whole."""

    class Endless(io.RawIOBase):
        def __init__(self):
            size = int(minutes * 60 * 48000) * 4
            fmt = struct.pack("<IHHIIHH", 16, 1, 2, 48000, 192000, 4, 16)
            self.header = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + fmt + b"data" + struct.pack("<I", size)
            self.noise = (np.random.default_rng(0).normal(size=1 << 18) * 3000).astype("<i2").tobytes()
            self.size, self.position = 44 + size, 0

        def tell(self):
            return self.position

        def seek(self, offset, whence=0):
            self.position = offset + (0, self.position, self.size)[whence]
            return self.position

        def read(self, count=-1):
            count = min(count, self.size - self.position)
            offset = (self.position - 44) % len(self.noise)
            if self.position < 44:
                content = self.header[self.position : self.position + count]
            else:
                content = self.noise[offset : offset + count]
            self.position += len(content)
            return content

    return Endless()


def peak_memory(minutes):
    tracemalloc.start()
    count = sum(1 for _ in stream_windows(endless(minutes), AudioConfig().segments))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return count, peak


def test_memory_does_not_grow_with_the_recording():
    (few, short), (many, long) = peak_memory(1), peak_memory(8)
    assert (few, many) == (5, 40)
    assert long < 1.1 * short < 50e6


def test_the_header_of_a_wav_beyond_4_gib_is_not_believed(tmp_path):
    size = (1 << 32) + 3 * 32000
    fmt = struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    for told in (size % (1 << 32), 0xFFFFFFFF):
        path = tmp_path / "long.wav"
        header = b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVEfmt " + fmt + b"data" + struct.pack("<I", told)
        with path.open("wb") as file:  # sparse: it takes no room
            file.write(header)
            file.seek(44 + size - 32000)
            file.write((np.random.default_rng(0).normal(size=16000) * 3000).astype("<i2").tobytes())
        seconds = size / 32000
        assert len(decode(path, seconds - 1.0, seconds)) == 16000
        (window,) = stream_windows(path, lambda whole: [(whole - 0.5, whole)])
        assert window.end == seconds


def test_silence_shows_behind_the_last_window():
    silent = io.BytesIO()
    soundfile.write(silent, np.zeros(16000 * 20), 16000, format="WAV")
    spans = [(0.0, 5.0), (5.0, 10.0)]
    windows = []
    with pytest.raises(SilentAudioError, match="silent"):
        windows.extend(stream_windows(silent, spans))
    assert len(list(stream_windows(silent, spans, silence=True))) == 2
    with pytest.raises(SilentAudioError):
        list(iter_blocks(silent))
    pause = io.BytesIO()
    soundfile.write(pause, np.r_[np.zeros(16000 * 20), np.full(16000, 0.3)], 16000, format="WAV")
    assert not next(stream_windows(pause, AudioConfig().segments)).samples.any()
    inverted = io.BytesIO()
    soundfile.write(inverted, np.outer(np.sin(np.arange(32000)), [0.3, -0.3]), 16000, format="WAV")
    with pytest.raises(AudioError, match="2 channels cancel") as caught:
        decode(inverted)
    assert not isinstance(caught.value, SilentAudioError)


@pytest.mark.parametrize(
    "spans", [[(0.0, 80.0)], [(5.0, 6.0), (4.0, 7.0)], [(3.0, 3.0)], [(-1.0, 2.0)], [(float("nan"), 2.0)], [(71, 72)]]
)
def test_spans_that_are_none_are_refused(spans):
    with pytest.raises(AudioError, match="give spans within it, in order"):
        list(stream_windows(recording("WAV", 8000), spans))


def test_damage_shows_where_it_stands():
    content = recording("FLAC", 16000)
    windows = stream_windows(content[: len(content) // 2], lambda seconds: [(s, s + 1.0) for s in range(69)])
    seen = []
    with pytest.raises(AudioError, match=r"damaged|cut short"):
        seen.extend(window.start for window in windows)
    assert 0 < len(seen) < 40
