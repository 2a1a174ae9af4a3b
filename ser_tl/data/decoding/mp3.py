"""The frames of an MP3 alone, with a length that holds: what libsndfile can read whole.

    stream --clean_mp3()--> ByteStream: a first frame with the length, then frames and nothing else

libsndfile takes the length of an MP3 from its first frame (Xing or Info, as encoders write it). Where there is none, or
it tells of another part of the file, the length is guessed from the file's size, tags and pictures included, and the
first frame's bit rate; tags or zeros between frames end the decoding. So the frames are counted here, from their
headers, and what isn't one is left out. Knows headers only, no audio.
"""

import struct
from typing import NamedTuple

from ser_tl.data.decoding.frames import Frame, find_frame, find_runs
from ser_tl.data.decoding.sources import ByteStream
from ser_tl.data.decoding.splice import Part, splice
from ser_tl.data.decoding.tags import skip_tags, trim_tags
from ser_tl.errors import AudioError

SLACK = 0.1
"""Seconds by which the length in an MP3's header and its content may differ: the delay and padding of its encoder."""

_SEARCHED = 1 << 16  # bytes before the first frame that may be no tag
_INEXACT = 3000  # bytes by which a length tag may differ from the file: it counts itself, or not


class LengthTag(NamedTuple):
    """What the first frame of an MP3 says about the others; None where it doesn't."""

    name: bytes
    frames: int | None
    size: int | None


def clean_mp3(stream: ByteStream) -> ByteStream | None:
    """The frames of an MP3, or of MPEG audio of layer I or II; None where there are none.

    Raises:
        AudioError: fewer frames than the first tells, something between frames that is no tag, or another rate or
            channel count behind them
    """
    first = find_frame(stream, skip_tags(stream, 0), _SEARCHED)
    if first is None:
        return None
    tag = read_length_tag(stream, first)
    if tag is not None and _tells_all(tag, stream, first):
        end = trim_tags(stream, first.position)
        return splice(stream, [(first.position, min(stream.size, max(end, first.position + (tag.size or 0))))])
    start = first.position + first.size if tag is not None else first.position
    runs, count = find_runs(stream, first, start)
    if not count:
        return None
    tagged_frames = None if tag is None else tag.frames
    slack = SLACK * first.rate / first.samples
    if tagged_frames is not None and count < tagged_frames - slack:
        raise AudioError(
            f"{stream.label}: cut short, {count} of {tagged_frames} MPEG frames are there: restore the file"
        )
    parts: list[Part] = list(runs)
    if tag is not None and tag.name != b"VBRI" and tagged_frames is not None and abs(count - tagged_frames) <= slack:
        parts.insert(0, (first.position, start))
    elif first.layer == 3:
        parts.insert(0, _length_frame(first, count, sum(end - start for start, end in runs)))
    return splice(stream, parts)


def read_length_tag(stream: ByteStream, frame: Frame) -> LengthTag | None:
    """The file's length according to its first frame; None where it is a frame like any other."""
    content = stream.read_at(frame.position, 64)
    for name in (b"Xing", b"Info"):
        offset = content.find(name, 4, 46)  # behind the side information: 9, 17 or 32 bytes, and maybe a checksum
        if offset > 0:
            flags, *numbers = struct.unpack(">III", content[offset + 4 : offset + 16])
            frames = numbers.pop(0) if flags & 1 else None
            return LengthTag(name, frames or None, numbers[0] if flags & 2 else None)
    if content[36:40] == b"VBRI":
        size, frames = struct.unpack(">II", content[46:54])
        return LengthTag(b"VBRI", frames or None, size)
    return None


def _tells_all(tag: LengthTag, stream: ByteStream, first: Frame) -> bool:
    """Whether a length tag's bytes are those of the file, without its tags: no need to count frames."""
    if tag.frames is None or tag.size is None or tag.name == b"VBRI":
        return False
    there = trim_tags(stream, first.position) - first.position
    return abs(tag.size - there) <= min(_INEXACT, there // 10)


def _length_frame(first: Frame, count: int, size: int) -> bytes:
    """A frame of silence with the number of frames that follow and their bytes, as encoders write it."""
    kilobits_64 = 5 if first.version == 3 else 8
    header = bytes([0xFF, first.header[1] | 1, kilobits_64 << 4 | first.header[2] & 0x0C, first.header[3]])
    length = first.samples // 8 * 64_000 // first.rate
    mono = first.channels == 1
    side = (17 if mono else 32) if first.version == 3 else (9 if mono else 17)
    tag = struct.pack(">4sIII", b"Xing", 3, count, size + length)
    return (header + bytes(side) + tag).ljust(length, b"\0")
