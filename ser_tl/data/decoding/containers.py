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

from ser_tl.data.decoding.mp3 import SLACK, clean_mp3
from ser_tl.data.decoding.ogg import find_ogg_problem
from ser_tl.data.decoding.resampling import check_rate
from ser_tl.data.decoding.riff import check_aiff, find_mpeg_in_wav, repair_wav
from ser_tl.data.decoding.signatures import explain_unread, is_read
from ser_tl.data.decoding.sources import ByteStream, Source, open_source
from ser_tl.data.decoding.splice import splice
from ser_tl.data.decoding.tags import skip_id3
from ser_tl.errors import AudioError

FORMATS = "WAV, FLAC, Ogg Vorbis, Ogg Opus, MP3 or AIFF"

# libsndfile reads what is left of a cut file and reports it only here: "data : 64000 (should be 31978)".
_SIZE_NOTE = re.compile(r"(?:data|SSND)\s*:\s*(\d+)\s*\(should be (\d+)\)")
_STREAMED = 0x7FFF0000  # a size from here up is the placeholder of a WAV written to a pipe, no promise
_UNKNOWN = 1 << 62  # samples: libsndfile's number for a FLAC without a length is beyond
_DENSEST = 10_000  # samples a byte: FLAC needs ten bytes for 65 535 samples of silence
_BLOCK_SECONDS = 10.0
_FLAC_START = b"fLaC\0\0\0\x22"  # the mark, and the header of a block of 34 bytes that comes first
_LOOK_BACK = 1 << 16  # bytes that the decoder may have read beyond the end
_BLOCK_SAMPLES = 1 << 21  # of all channels together: 8 MiB


@dataclass
class OpenAudio:
    """Audio that is open and, according to its headers, complete.

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
                if not decoded and first:
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
        slack = round(SLACK * self.rate) if self.file.format == "MP3" else 0
        if decoded < max(1, wanted - slack):
            raise AudioError(
                f"{self.name}: cut short, {decoded} of {wanted} samples could be decoded: restore the file"
            )
        if last == self.frames and self.file.format == "FLAC":
            self._check_behind()

    def _check_behind(self) -> None:
        """Refuses a FLAC behind the FLAC that was read: libsndfile reads the first alone.

        Raises:
            AudioError: there is one
        """
        position = max(4, self.stream.tell() - _LOOK_BACK)
        while len(chunk := self.stream.read_at(position, _LOOK_BACK)) > len(_FLAC_START):
            start = chunk.find(_FLAC_START)
            if start >= 0:
                raise AudioError(
                    f"{self.name}: holds another FLAC from byte {position + start} on: two recordings in one file, "
                    f"split it"
                )
            position += len(chunk) - len(_FLAC_START)


@contextmanager
def open_audio(source: Source) -> Generator[OpenAudio]:
    """Audio of a source.

    Raises:
        AudioError: the file is missing, not audio, cut short, empty, or more than one recording
    """
    with open_source(source) as raw_stream:
        stream = _clean(raw_stream)
        raw_stream.check()
        stream.seek(0)
        try:
            file = soundfile.SoundFile(cast(BinaryIO, stream))
        except Exception as error:  # libsndfile's, or what soundfile raises where it can't follow
            stream.check()
            reason = explain_unread(stream.read_at(0, 256))
            stream.check()
            raise AudioError(
                f"{stream.label}: {reason}"
                if reason
                else f"{stream.label}: not audio that can be read ({_reason(error)}): expected {FORMATS}"
            ) from None
        with file:
            stream.check()
            problem = _find_problem(stream, file)
            if problem:
                raise AudioError(f"{stream.label}: {problem}")
            check_rate(file.samplerate, stream.label)
            yield OpenAudio(stream.label, stream, file)


def _clean(stream: ByteStream) -> ByteStream:
    """A stream that libsndfile reads whole: no tags in front, and a header with the true length."""
    stream = splice(stream, [(skip_id3(stream), stream.size)])
    head = stream.read_at(0, 64)
    if not is_read(head):
        return clean_mp3(stream) or stream
    mpeg = find_mpeg_in_wav(stream)
    if mpeg is not None:
        return clean_mp3(mpeg) or stream
    check_aiff(stream)
    return repair_wav(stream)


def _reason(error: Exception) -> str:
    return getattr(error, "error_string", "") or str(error) or type(error).__name__


def _find_problem(stream: ByteStream, file: soundfile.SoundFile) -> str | None:
    size = _SIZE_NOTE.search(file.extra_info)
    claimed, there = (int(size[1]), int(size[2])) if size else (0, 0)
    if there < claimed < _STREAMED:
        return f"cut short, {there} of {claimed} bytes are there: restore the file"
    if file.format == "OGG":
        position = stream.tell()
        problem = find_ogg_problem(stream)
        stream.seek(position)
        if problem:
            return problem
    if file.frames > _UNKNOWN:
        return "doesn't tell its length, as if written to a pipe: encode it again, to a file"
    if file.frames > stream.size * _DENSEST:
        return f"its header tells {file.frames} samples, more than {stream.size} bytes can hold: restore the file"
    if file.frames == 0:
        return "empty, it has no samples: restore the file or leave it out"
    return None
