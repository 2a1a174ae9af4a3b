"""A zoo of odd files: each is decoded whole, or refused with the true reason, and never decoded partly."""

import shutil
import subprocess

import numpy as np
import pytest
import zoo

from ser_tl.data.audio import decode, duration, stream_windows
from ser_tl.errors import AudioError

pytestmark = pytest.mark.slow

SPECIMENS = zoo.specimens()
DECODED = [specimen for specimen in SPECIMENS if specimen.refused is None]
REFUSED = [specimen for specimen in SPECIMENS if specimen.refused is not None]
WITHIN = 0.1  # seconds

by_name = {"ids": lambda specimen: specimen.name}


def in_blocks(seconds, size=1.0):
    return [(start, min(start + size, seconds)) for start in np.arange(0.0, seconds, size)]


@pytest.mark.parametrize("specimen", DECODED, **by_name)
def test_what_can_be_read_is_read_whole(specimen):
    waveform = decode(specimen.content)
    assert len(waveform) / 16000 == pytest.approx(specimen.seconds, abs=WITHIN)
    assert duration(specimen.content) == pytest.approx(specimen.seconds, abs=WITHIN)
    windows = [window.samples for window in stream_windows(specimen.content, in_blocks)]
    assert np.array_equal(np.concatenate(windows), waveform)
    # Every half second sounds: none of it is filled with zeros.
    assert min(np.abs(waveform[start : start + 8000]).max() for start in range(1000, len(waveform) - 9000, 8000)) > 0.02


@pytest.mark.parametrize("specimen", REFUSED, **by_name)
def test_what_cannot_be_read_whole_is_refused_with_the_reason(specimen):
    for read in (decode, lambda source: list(stream_windows(source, in_blocks))):
        with pytest.raises(AudioError) as caught:
            read(specimen.content)
        assert specimen.refused in str(caught.value)


@pytest.mark.parametrize("name", zoo.UNREAD)
def test_formats_that_are_not_read_are_named(name, tmp_path):
    head, what = zoo.UNREAD[name]
    path = tmp_path / name
    path.write_bytes(head + bytes(500))
    with pytest.raises(AudioError) as caught:
        decode(path)
    assert str(caught.value).startswith(f"{path}: {what}")


def seconds_by_ffmpeg(specimens, folder):
    """Of all in one program, which takes longer to start than to decode one."""
    command = ["ffmpeg", "-v", "error", "-nostdin"]
    for specimen in specimens:
        (folder / specimen.name).write_bytes(specimen.content)
        command += ["-i", folder / specimen.name]
    made = [folder / f"{number}.pcm" for number in range(len(specimens))]
    for number, path in enumerate(made):
        command += ["-map", f"{number}:a:0", "-f", "s16le", "-ac", "1", "-ar", "16000", path]
    subprocess.run(command, capture_output=True, check=False)
    return [path.stat().st_size / 32000 for path in made]


@pytest.mark.exhaustive
@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg isn't installed")
def test_ffmpeg_hears_as_much(tmp_path):
    table = [
        (specimen.name, theirs, len(decode(specimen.content)) / 16000)
        for specimen, theirs in zip(DECODED, seconds_by_ffmpeg(DECODED, tmp_path), strict=True)
    ]
    assert len(table) > 100
    differ = [row for row in table if abs(row[1] - row[2]) > WITHIN]
    assert differ == []
