"""Tags that tools put before, behind and between audio: ID3, APE and their like, and where they end."""

import struct

from ser_tl.data.decoding.sources import ByteStream

_LYRICS = b"LYRICSBEGIN"
_LONGEST_LYRICS = 1 << 20


def skip_tags(stream: ByteStream, position: int) -> int:
    """The position behind all tags and zeros that begin at a position; the position itself if none does."""
    while (end := _skip_tag(stream, position)) > position:
        position = end
    return position


def skip_id3(stream: ByteStream) -> int:
    """The position behind the ID3 tags, and the zeros that pad them, with which a file begins."""
    position = 0
    while stream.read_at(position, 3) == b"ID3":
        position = _skip_zeros(stream, _skip_tag(stream, position))
    return position


def trim_tags(stream: ByteStream, start: int) -> int:
    """Where the tags begin with which a file ends: zeros, ID3v1, APE, Lyrics3 and an ID3v2 with a footer."""
    end = stream.size
    while True:
        before = _trim_tag(stream, start, end)
        if before == end:
            return end
        end = before


def _skip_tag(stream: ByteStream, position: int) -> int:
    head = stream.read_at(position, 32)
    if head[:3] == b"ID3" and len(head) >= 10:
        footer = 10 if head[5] & 0x10 else 0
        return min(stream.size, position + 10 + _syncsafe(head[6:10]) + footer)
    if head[:4] == b"TAG+":
        return min(stream.size, position + 227)
    if head[:3] == b"TAG":
        return min(stream.size, position + 128)
    if head[:8] == b"APETAGEX" and len(head) >= 24:
        size, _, flags = struct.unpack("<III", head[12:24])
        return min(stream.size, position + 32 + (size if flags & 1 << 29 else 0))
    if head[:11] == _LYRICS:
        text = stream.read_at(position, _LONGEST_LYRICS)
        for mark in (b"LYRICS200", b"LYRICSEND"):
            if mark in text:
                return position + text.index(mark) + len(mark)
    return _skip_zeros(stream, position) if head[:4] == bytes(4) else position


def _skip_zeros(stream: ByteStream, position: int) -> int:
    while chunk := stream.read_at(position, 1 << 16):
        stripped = chunk.lstrip(b"\0")
        position += len(chunk) - len(stripped)
        if stripped:
            break
    return position


def _trim_tag(stream: ByteStream, start: int, end: int) -> int:
    tail = stream.read_at(max(start, end - 256), min(256, end - start))
    if tail[-128:-125] == b"TAG":
        return end - 128
    foot = tail[-32:]
    if foot[:8] == b"APETAGEX":
        size, _, flags = struct.unpack("<III", foot[12:24])
        return max(start, end - size - (32 if flags & 1 << 31 else 0))
    if tail[-10:-7] == b"3DI":
        return max(start, end - 20 - _syncsafe(tail[-4:]))
    if tail[-9:] == b"LYRICS200" and tail[-15:-9].isdigit():
        return max(start, end - 15 - int(tail[-15:-9]))
    content_length = len(tail.rstrip(b"\0"))
    if len(tail) - content_length < 16:  # a frame may end with a few zeros
        return end
    while not content_length and end - len(tail) > start:
        end -= len(tail)
        tail = stream.read_at(max(start, end - (1 << 16)), min(1 << 16, end - start))
        content_length = len(tail.rstrip(b"\0"))
    return end - (len(tail) - content_length)


def _syncsafe(four: bytes) -> int:
    """The number in four bytes of 7 bits."""
    return sum((byte & 0x7F) << shift for byte, shift in zip(four, (21, 14, 7, 0), strict=True))
