"""From an audio file to mono 16 kHz samples.

    path or bytes --decode()--> waveform (N,) float32 in [-1, 1] at 16 kHz --normalise()--> waveform

Reads what libsndfile reads: WAV, FLAC, Ogg (Vorbis and Opus), MP3, AIFF, at any rate, channel count and bit depth. A
file that is missing, cut short, empty, silent, not finite or not scaled raises `AudioError`: broken audio never becomes
zeros. Knows nothing of emotions, batches or models.
"""

import io
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import soxr

from ser_tl.data.mp3 import untold_samples
from ser_tl.errors import AudioError, ConfigError

SAMPLE_RATE = 16_000
"""Samples per second of every waveform after `decode`."""

SILENCE = 1e-4
"""Peaks up to this (-80 dBFS, three steps of 16 bits) are silence."""

FORMATS = "WAV, FLAC, Ogg Vorbis, Ogg Opus, MP3 or AIFF"

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
"""What names of files in these formats end with, in lower case."""

# libsndfile reads what is left of a cut file and tells it only here: "data : 64000 (should be 31978)".
_SIZE_NOTE = re.compile(r"(?:data|SSND)\s*:\s*(\d+)\s*\(should be (\d+)\)")
_STREAMED = 0x7FFF0000  # a size from here up is the placeholder of a WAV written to a pipe, no promise
_OGG_PAGE = 65_307  # bytes of the longest page of an Ogg file
_UNKNOWN = 1 << 62  # samples: libsndfile's number for a FLAC that doesn't tell its length is beyond
_OVERSHOOT = 0.1  # seconds: annotations may end beyond the file by a rounding
_LOUDEST = 4.0  # floats above are no overdriven recording, but integers that nobody scaled
_MP3_SLACK = 0.1  # seconds: where an MP3 doesn't tell its length, libsndfile takes it from file size and bit rate

Source = str | Path | bytes
"""Where encoded audio comes from: a path, or the bytes of a file."""


@dataclass(frozen=True)
class AudioConfig:
    """What happens to a clip before the encoder.

    Args:
        normalise: scale each clip to a peak of 1, or to an RMS of 0.1 (about -20 dBFS), or leave it as it is. Encoders
            that want zero mean and unit variance do that themselves, whatever is chosen here
        max_seconds: clips are at most this long. Longer ones are cropped at a random place in training
        evaluation: what becomes of longer clips in evaluation: `windows` covers the whole clip and averages the
            probabilities, `centre` takes the middle
    """

    normalise: Literal["none", "peak", "rms"] = "none"
    max_seconds: float = 12.0
    evaluation: Literal["windows", "centre"] = "windows"

    def __post_init__(self) -> None:
        if not self.max_seconds >= 0.1:
            raise ConfigError(f"audio.max_seconds is {self.max_seconds}: clips need at least 0.1 s")

    def parts(self, seconds: float) -> list[tuple[float, float]]:
        """What evaluation hears of a clip of so many seconds: start and end of each part, in order."""
        longest = self.max_seconds
        if self.evaluation == "centre" and seconds > longest:
            return [((seconds - longest) / 2, (seconds + longest) / 2)]
        return windows(seconds, longest)


def decode(source: Source, start: float = 0.0, end: float | None = None, *, silence: bool = False) -> np.ndarray:
    """The samples of a file, or of a part of it.

    Args:
        source: path or bytes of an encoded file
        start: seconds into the file
        end: seconds into the file; its end if None
        silence: accept silence, as between the words of a longer recording

    Returns:
        Waveform (N,), float32 in [-1, 1], mono (mean of the channels), 16 kHz.

    Raises:
        AudioError: the file is missing, not audio, cut short, empty, silent, not finite, not scaled, or shorter than
            the part
    """
    name = _name(source)
    with _open(source) as file:
        rate = file.samplerate
        seconds = file.frames / rate
        stop = seconds if end is None else end
        inside = 0 <= start < stop <= seconds + _OVERSHOOT  # False if one isn't a number, too
        first, last = (round(start * rate), min(round(stop * rate), file.frames)) if inside else (0, 0)
        if first >= last:
            raise AudioError(
                f"{name}: no audio from {start:g} s to {'its end' if end is None else f'{end:g} s'}, the file has "
                f"{seconds:g} s: correct start and end"
            )
        try:
            file.seek(first)
            channels = file.read(last - first, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{name}: damaged, decoding stops with «{error.error_string}»: restore the file") from None
    slack = round(_MP3_SLACK * rate) if file.format == "MP3" else 0
    if len(channels) < max(1, last - first - slack):
        raise AudioError(
            f"{name}: cut short, {len(channels)} of {last - first} samples could be decoded: restore the file"
        )
    waveform = channels.mean(axis=1)
    if not np.isfinite(waveform).all():
        raise AudioError(f"{name}: has samples that are NaN or infinite: export it again or leave it out")
    peak = np.abs(waveform).max()
    if peak > _LOUDEST:
        raise AudioError(
            f"{name}: samples up to {peak:g}, expected are floats in [-1, 1]: divide them by the full scale (32768 for "
            f"16 bits) and write the file again"
        )
    if not silence and peak <= SILENCE:
        raise AudioError(f"{name}: silent, no sample above {SILENCE:g} (-80 dBFS): export it again or leave it out")
    if rate != SAMPLE_RATE:
        waveform = soxr.resample(waveform, rate, SAMPLE_RATE)
    if not len(waveform):
        raise AudioError(f"{name}: too short, {last - first} samples at {rate} Hz: leave it out")
    return np.clip(waveform, -1.0, 1.0).astype(np.float32, copy=False)


def duration(source: Source) -> float:
    """Seconds in a file, read from its header.

    Raises:
        AudioError: the file is missing, not audio, cut short or empty
    """
    with _open(source) as file:
        return file.frames / file.samplerate


def normalise(waveform: np.ndarray, how: Literal["none", "peak", "rms"]) -> np.ndarray:
    """Waveform (N,) at a peak of 1, at an RMS of 0.1, or unchanged. Silence stays silence."""
    if how == "none" or np.abs(waveform).max() <= SILENCE:
        return waveform
    if how == "peak":
        return waveform / np.abs(waveform).max()
    return waveform * (0.1 / np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))).astype(np.float32)


def windows(seconds: float, longest: float) -> list[tuple[float, float]]:
    """Equal windows that cover a clip: as few as it takes, overlapping where the lengths don't divide.

    Args:
        seconds: the clip's length
        longest: the longest window, seconds

    Returns:
        (start, end) of each window in seconds, in order. One window, the whole clip, if it is short enough.
    """
    if seconds <= longest:
        return [(0.0, seconds)]
    count = math.ceil(seconds / longest)
    step = (seconds - longest) / (count - 1)
    return [(number * step, number * step + longest) for number in range(count)]


def _open(source: Source) -> soundfile.SoundFile:
    name = _name(source)
    if not isinstance(source, bytes) and not Path(source).is_file():
        raise AudioError(f"{name}: no such file")
    if not (len(source) if isinstance(source, bytes) else Path(source).stat().st_size):
        raise AudioError(f"{name}: empty, 0 bytes: restore the file or leave it out")
    try:
        file = soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else str(source))
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{name}: not audio that can be read ({error.error_string}): expected {FORMATS}") from None
    size = _SIZE_NOTE.search(file.extra_info)
    claimed, there = (int(size[1]), int(size[2])) if size else (0, 0)
    problem = None
    if there < claimed < _STREAMED:
        problem = f"cut short, {there} of {claimed} bytes are there: restore the file"
    elif file.format == "OGG" and not _ogg_is_whole(source):
        problem = "cut short, it ends in the middle of an Ogg page: restore the file"
    elif file.frames > _UNKNOWN:
        problem = "doesn't tell its length, as if written to a pipe: encode it again, to a file"
    elif file.format == "MP3" and _is_misjudged(source, file):
        problem = "doesn't tell its length, which can't be told from its size as the bit rate varies: encode it again"
    elif file.frames == 0:
        problem = "empty, it has no samples: restore the file or leave it out"
    if problem:
        file.close()
        raise AudioError(f"{name}: {problem}")
    return file


def _is_misjudged(source: Source, file: soundfile.SoundFile) -> bool:
    """Whether an MP3 has more or fewer samples than libsndfile makes out: it would hear a part, or miss the rest."""
    with io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as stream:
        samples = untold_samples(stream)
    return samples is not None and abs(samples - file.frames) > _MP3_SLACK * file.samplerate


def _ogg_is_whole(source: Source) -> bool:
    """Whether an Ogg file ends with a page: libsndfile reads a cut one up to the last whole page and says nothing.

    A last page without the mark of the stream's end is accepted: recorders that are stopped leave such files.
    """
    if isinstance(source, bytes):
        tail = source[-2 * _OGG_PAGE :]
    else:
        with Path(source).open("rb") as stream:
            stream.seek(max(0, Path(source).stat().st_size - 2 * _OGG_PAGE))
            tail = stream.read()
    page = tail[max(0, tail.rfind(b"OggS\0")) :]  # capture pattern and version
    if len(page) < 27:
        return False
    lengths = page[27 : 27 + page[26]]  # of the page's segments
    size = 27 + page[26] + sum(lengths)
    ends_the_stream = bool(page[5] & 4)
    return len(page) >= size if ends_the_stream else len(page) == size


def _name(source: Source) -> str:
    return f"audio of {len(source)} bytes" if isinstance(source, bytes) else str(source)
