"""Paths, bytes and file objects are read alike; whatever the system or a file object does wrong is an AudioError."""

import gzip
import io
import os
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_tl.data.audio import decode, duration
from ser_tl.errors import AudioError


@pytest.fixture
def clip():
    noise = np.random.default_rng(0).normal(size=24000).cumsum()
    return 0.4 * noise / np.abs(noise).max()


def encode(waveform, kind="WAV"):
    file = io.BytesIO()
    soundfile.write(file, waveform, 16000, format=kind)
    return file.getvalue()


def refused(source, *parts):
    for read in (decode, duration):
        with pytest.raises(AudioError) as caught:
            read(source)
        for part in parts:
            assert part in str(caught.value)
    str(caught.value).encode("utf-8")  # it can be printed
    return str(caught.value)


class OsPath:
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return str(self.path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_every_kind_of_source_gives_the_same_samples(kind, clip, tmp_path):
    content = encode(clip, kind)
    expected = decode(content)
    assert len(expected) == pytest.approx(len(clip), abs=1600)
    path = tmp_path / "clip.bin"
    path.write_bytes(content)
    with tempfile.SpooledTemporaryFile() as spooled, path.open("rb") as file, path.open("rb", buffering=0) as raw:
        spooled.write(content)
        with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("clip", content)
        gzip_path = tmp_path / "clip.gz"
        gzip_path.write_bytes(gzip.compress(content))
        with (
            zipfile.ZipFile(tmp_path / "all.zip") as archive,
            archive.open("clip") as member,
            gzip.open(gzip_path) as gz,
        ):
            sources = [path, str(path), OsPath(path), bytearray(content), memoryview(content), io.BytesIO(content)]
            for source in [*sources, spooled, file, raw, member, gz]:
                assert np.array_equal(decode(source), expected), source
                assert duration(source) == len(clip) / 16000
                assert np.array_equal(decode(source, 0.5, 0.75), decode(content, 0.5, 0.75)), source


def test_a_file_object_is_read_from_its_beginning_and_left_as_it_was(clip):
    file = io.BytesIO(encode(clip))
    file.seek(1234)
    assert len(decode(file)) == len(clip)
    assert (file.tell(), file.closed) == (1234, False)
    refused(file := io.BytesIO(b"no audio" * 99))
    assert not file.closed


class Slow(io.BytesIO):
    """A file object that gives a few bytes at a time, as sockets and decompressors may."""

    def read(self, count=-1):
        return super().read(min(count, 1000) if count >= 0 else 1000)


class Failing(io.BytesIO):
    """A file object that breaks behind its first 20 000 bytes."""

    def read(self, count=-1):
        if self.tell() > 20_000:
            raise ConnectionResetError("the connection was reset")
        return super().read(min(count, 4096))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_slow_and_failing_file_objects(kind, clip, capfd):
    content = encode(np.tile(clip, 8), kind)
    assert np.array_equal(decode(Slow(content)), decode(content))
    with pytest.raises(AudioError, match="the connection was reset"):
        decode(Failing(content))
    assert "Error" not in capfd.readouterr().err  # libsndfile's callbacks print what they can't raise


def test_file_objects_that_are_none_are_refused(tmp_path, clip):
    path = tmp_path / "clip.wav"
    path.write_bytes(encode(clip))
    with path.open(encoding="latin-1") as text:
        refused(text, str(path), "opened as text", "open(path, 'rb')")
    refused(io.StringIO("no audio"), "opened as text")
    with path.open("rb") as closed:
        pass
    refused(closed, "closed file")
    with (tmp_path / "new.wav").open("wb") as writing:
        refused(writing, "new.wav", "can't be read")
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb"), os.fdopen(reading, "rb") as pipe:
        refused(pipe, "can't be read and sought in", "give an open file, or the bytes")
    refused(io.BytesIO(), "empty, 0 bytes")
    for wrong in (None, 7, ["a.wav"], object(), {"path": "a.wav"}, np.zeros(9)):
        refused(wrong, f"audio of type {type(wrong).__name__}", "expected a path, the bytes of a file")


@pytest.mark.parametrize(
    "name", ["a\0b.wav", "x" * 5000 + ".wav", "lost.wav", "clip.wav/more.wav", "", "lost\udce9.wav"]
)
def test_names_that_no_file_has_are_refused(name, tmp_path, clip):
    (tmp_path / "clip.wav").write_bytes(encode(clip))
    refused(f"{tmp_path}/{name}")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux alone")
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_a_name_that_is_not_utf_8_is_a_name(kind, clip, tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    path.write_bytes(encode(clip, kind))
    assert np.array_equal(decode(path), decode(path.read_bytes()))
    path.write_bytes(b"no audio" * 99)
    refused(path, "caf\\udce9")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_and_folders_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    refused(tmp_path / "pipe.wav", "a pipe or device, expected a file")
    refused(tmp_path, "a folder, expected a file")
    refused("/dev/null", "a pipe or device")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission_is_told(clip, tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(encode(clip))
    path.chmod(0)
    refused(path, "can't be opened (Permission denied)")


@pytest.mark.parametrize("suffix", [".raw", ".sd2", ".xyz", ".txt", ""])
def test_the_content_tells_the_format_and_not_the_name(suffix, clip, tmp_path):
    path = tmp_path / f"clip{suffix}"
    path.write_bytes(encode(clip))
    assert len(decode(path)) == len(clip)
    path.write_bytes(bytes(range(1, 250)) * 40)
    refused(path, str(path), "not audio that can be read")
