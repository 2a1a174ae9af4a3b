"""Opening audio: a libsndfile handle on a file that is whole, or the true reason why it isn't.

    source --open_audio()--> OpenAudio --read_blocks()--> blocks of channels (N, C) float32

libsndfile reads what is left of a damaged file and says little; so its claims are compared with the file's own.
"""

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
import soundfile

from ser_tl.data.decoding.resampling import check_rate
from ser_tl.data.decoding.sources import ByteStream, Source, open_source
from ser_tl.data.mp3 import untold_samples
from ser_tl.errors import AudioError

FORMATS = "WAV, FLAC, Ogg Vorbis, Ogg Opus, MP3 or AIFF"

# libsndfile reads what is left of a cut file and tells it only here: "data : 64000 (should be 31978)".
_SIZE_NOTE = re.compile(r"(?:data|SSND)\s*:\s*(\d+)\s*\(should be (\d+)\)")
_STREAMED = 0x7FFF0000  # a size from here up is the placeholder of a WAV written to a pipe, no promise
_OGG_PAGE = 65_307  # bytes of the longest page of an Ogg file
_UNKNOWN = 1 << 62  # samples: libsndfile's number for a FLAC that doesn't tell its length is beyond
_MP3_SLACK = 0.1  # seconds: where an MP3 doesn't tell its length, libsndfile takes it from file size and bit rate
_BLOCK_SECONDS = 10.0
_BLOCK_SAMPLES = 1 << 21  # of all channels together: 8 MiB


@dataclass
class OpenAudio:
    """Audio that is open and, as far as its headers tell, whole.

    Args:
        name: what messages call it
        stream: its bytes
        file: libsndfile's handle
    """

    name: str
    stream: ByteStream
    file: soundfile.SoundFile

    @property
    def rate(self) -> int:
        """Samples per second."""
        return self.file.samplerate

    @property
    def frames(self) -> int:
        """Samples of each channel."""
        return self.file.frames

    def read_blocks(self, first: int, last: int) -> Iterator[np.ndarray]:
        """Samples of a part, a few seconds at a time.

        Args:
            first: the first sample
            last: the one behind the last

        Returns:
            Blocks (N, C), float32.

        Raises:
            AudioError: damaged, cut short, or the source failed while it was read
        """
        size = max(1, min(round(_BLOCK_SECONDS * self.rate), _BLOCK_SAMPLES // self.file.channels))
        decoded, wanted = 0, last - first
        while decoded < wanted:
            try:
                if not decoded:
                    self.file.seek(first)
                block = self.file.read(min(size, wanted - decoded), dtype="float32", always_2d=True)
            except Exception as error:  # libsndfile's, or what soundfile raises where it can't follow
                self.stream.check()
                raise AudioError(
                    f"{self.name}: damaged, decoding stops with «{_reason(error)}»: restore the file"
                ) from None
            self.stream.check()
            if not len(block):
                break
            decoded += len(block)
            yield block
        slack = round(_MP3_SLACK * self.rate) if self.file.format == "MP3" else 0
        if decoded < max(1, wanted - slack):
            raise AudioError(
                f"{self.name}: cut short, {decoded} of {wanted} samples could be decoded: restore the file"
            )


@contextmanager
def open_audio(source: Source) -> Generator[OpenAudio]:
    """Audio of a source.

    Raises:
        AudioError: the file is missing, not audio, cut short or empty
    """
    with open_source(source) as stream:
        try:
            file = soundfile.SoundFile(cast(BinaryIO, stream))
        except Exception as error:  # libsndfile's, or what soundfile raises where it can't follow
            stream.check()
            raise AudioError(
                f"{stream.label}: not audio that can be read ({_reason(error)}): expected {FORMATS}"
            ) from None
        with file:
            stream.check()
            problem = _find_problem(stream, file)
            if problem:
                raise AudioError(f"{stream.label}: {problem}")
            check_rate(file.samplerate, stream.label)
            yield OpenAudio(stream.label, stream, file)


def _reason(error: Exception) -> str:
    return getattr(error, "error_string", "") or str(error) or type(error).__name__


def _find_problem(stream: ByteStream, file: soundfile.SoundFile) -> str | None:
    size = _SIZE_NOTE.search(file.extra_info)
    claimed, there = (int(size[1]), int(size[2])) if size else (0, 0)
    if there < claimed < _STREAMED:
        return f"cut short, {there} of {claimed} bytes are there: restore the file"
    if file.format == "OGG" and not _ogg_is_whole(stream):
        return "cut short, it ends in the middle of an Ogg page: restore the file"
    if file.frames > _UNKNOWN:
        return "doesn't tell its length, as if written to a pipe: encode it again, to a file"
    if file.format == "MP3" and _is_misjudged(stream, file):
        return "doesn't tell its length, which can't be told from its size as the bit rate varies: encode it again"
    if file.frames == 0:
        return "empty, it has no samples: restore the file or leave it out"
    return None


def _is_misjudged(stream: ByteStream, file: soundfile.SoundFile) -> bool:
    """Whether an MP3 has more or fewer samples than libsndfile makes out: it would hear a part, or miss the rest."""
    position = stream.tell()
    samples = untold_samples(cast(BinaryIO, stream))
    stream.seek(position)
    return samples is not None and abs(samples - file.frames) > _MP3_SLACK * file.samplerate


def _ogg_is_whole(stream: ByteStream) -> bool:
    """Whether an Ogg file ends with a page: libsndfile reads a cut one up to the last whole page and says nothing.

    A last page without the mark of the stream's end is accepted: recorders that are stopped leave such files.
    """
    position = stream.tell()
    tail = stream.read_at(max(0, stream.size - 2 * _OGG_PAGE), 2 * _OGG_PAGE)
    stream.seek(position)
    page = tail[max(0, tail.rfind(b"OggS\0")) :]  # capture pattern and version
    if len(page) < 27:
        return False
    lengths = page[27 : 27 + page[26]]  # of the page's segments
    size = 27 + page[26] + sum(lengths)
    ends_the_stream = bool(page[5] & 4)
    return len(page) >= size if ends_the_stream else len(page) == size
