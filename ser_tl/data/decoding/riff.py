"""The chunks of a WAV, and the sizes that its header should have.

    stream --repair_wav()--> ByteStream that libsndfile reads whole

Programs that were stopped, or wrote to a pipe or more than 4 GiB, leave a size of the samples that isn't so. Where
everything behind the header is samples, a header that says so is put in its place.
"""

import struct
from typing import NamedTuple

from ser_tl.data.decoding.sources import ByteStream
from ser_tl.data.decoding.splice import splice
from ser_tl.errors import AudioError

_STREAMED = 0x7FFF0000  # a size from here up may be the placeholder of a WAV written to a pipe
_WRAP = 1 << 32  # sizes are of 32 bits
_MPEG = (0x50, 0x55)  # codec: MPEG layers I and II; layer III
_BEHIND = 1 << 20  # bytes of tags that may follow samples


class Wav(NamedTuple):
    """The header of a WAV.

    Args:
        codec: number of the coding of its samples
        start: the first byte of its samples
        size: their bytes, according to the header
    """

    codec: int
    start: int
    size: int


def repair_wav(stream: ByteStream) -> ByteStream:
    """A WAV whose header has the true size of its samples; the stream itself where it does, or isn't a WAV.

    Raises:
        AudioError: several recordings in one file, or one that was cut short
    """
    wav = read_wav_header(stream)
    if wav is None:
        return stream
    there = stream.size - wav.start
    if wav.size == 0 and there and _is_unfinished(stream, wav):
        return _with_size(stream, wav, there)
    is_wrapped = there - wav.size >= _WRAP and (there - wav.size) % _WRAP <= _BEHIND
    if is_wrapped:
        return _with_size(stream, wav, wav.size + (there - wav.size) // _WRAP * _WRAP)
    if there > wav.size >= _STREAMED and there >= _WRAP - 1:
        return _with_size(stream, wav, there)
    _check_behind(stream, wav)
    return stream


def check_aiff(stream: ByteStream) -> None:
    """Refuses an AIFF behind an AIFF.

    Raises:
        AudioError: there is one
    """
    name, size = struct.unpack(">4sI", stream.read_at(0, 8).ljust(8, b"\0"))
    behind = 8 + size + size % 2
    if name == b"FORM" and stream.read_at(behind, 4) == b"FORM" and stream.read_at(behind + 8, 3) == b"AIF":
        raise AudioError(
            f"{stream.label}: holds another AIFF from byte {behind} on: two recordings in one file, split it"
        )


def find_mpeg_in_wav(stream: ByteStream) -> ByteStream | None:
    """The MPEG frames in a WAV that holds an MP3; None where it doesn't.

    Raises:
        AudioError: cut short
    """
    wav = read_wav_header(stream)
    if wav is None or wav.codec not in _MPEG:
        return None
    there = stream.size - wav.start
    if there < wav.size < _STREAMED:
        raise AudioError(f"{stream.label}: cut short, {there} of {wav.size} bytes are there: restore the file")
    return splice(stream, [(wav.start, min(stream.size, wav.start + (wav.size or there)))])


def read_wav_header(stream: ByteStream) -> Wav | None:
    """The header of a WAV of 32-bit sizes; None where it is none, or has no samples."""
    head = stream.read_at(0, 12)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    position, codec = 12, 0
    while len(chunk := stream.read_at(position, 8)) == 8:
        name, size = struct.unpack("<4sI", chunk)
        if name == b"data":
            return Wav(codec, position + 8, size)
        if name == b"fmt ":
            codec = int.from_bytes(stream.read(2), "little")
        position += 8 + size + size % 2
    return None


def _is_unfinished(stream: ByteStream, wav: Wav) -> bool:
    """Whether what follows samples of no size isn't another chunk."""
    name, size = struct.unpack("<4sI", stream.read_at(wav.start, 8).ljust(8, b"\0"))
    return not (name.isascii() and name.decode("ascii").isprintable() and wav.start + 8 + size <= stream.size)


def _with_size(stream: ByteStream, wav: Wav, size: int) -> ByteStream:
    header = stream.read_at(12, wav.start - 20)  # the chunks before the samples
    if wav.start + size < _WRAP - 8:
        front = struct.pack("<4sI4s", b"RIFF", wav.start + size - 8, b"WAVE") + header
        return splice(stream, [front + struct.pack("<4sI", b"data", size), (wav.start, wav.start + size)])
    front = struct.pack("<4sI4s4sIQQQI", b"RF64", _WRAP - 1, b"WAVE", b"ds64", 28, wav.start + size + 28, size, 0, 0)
    return splice(stream, [front + header + struct.pack("<4sI", b"data", _WRAP - 1), (wav.start, wav.start + size)])


def _check_behind(stream: ByteStream, wav: Wav) -> None:
    """Refuses samples behind the samples: libsndfile and others read one of the two."""
    position = wav.start + wav.size + wav.size % 2
    while len(chunk := stream.read_at(position, 12)) >= 8:
        name, size = struct.unpack("<4sI", chunk[:8])
        if name == b"data" or (name == b"RIFF" and chunk[8:] == b"WAVE"):
            what = "a second chunk of samples" if name == b"data" else "another WAV"
            raise AudioError(
                f"{stream.label}: holds {what} from byte {position} on: two recordings in one file, split it"
            )
        if not (name.isascii() and name.decode("ascii").isprintable()):
            return
        position += 8 + size + size % 2
