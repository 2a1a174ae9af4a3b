"""A stream made of parts of another, so that libsndfile meets a file as it should have been written.

    stream, [(start, end), bytes, ...] --splice()--> ByteStream

Tags in front, padding and the like are left out, a header that lacks a length is replaced; nothing is copied.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import BinaryIO, cast

from ser_tl.data.decoding.sources import ByteStream

Part = bytes | tuple[int, int]
"""Bytes of our own, or a range of the stream: its first byte and the one behind its last."""


class _Parts:
    """What `ByteStream` reads from: parts of a stream and bytes between them."""

    def __init__(self, stream: ByteStream, parts: Sequence[Part]) -> None:
        self.stream = stream
        self.parts = [part for part in parts if _length(part)]
        self.starts = [0, *accumulate(map(_length, self.parts))]
        self.position = 0

    def seek(self, position: int) -> None:
        self.position = position

    def read(self, count: int) -> bytes:
        """At most so many bytes, of a single part; none behind the last."""
        index = bisect_right(self.starts, self.position) - 1
        if index >= len(self.parts):
            return b""
        part, offset = self.parts[index], self.position - self.starts[index]
        if isinstance(part, bytes):
            content = part[offset : offset + count]
        else:
            start, end = part
            content = self.stream.read_at(start + offset, min(count, end - start - offset))
            if self.stream.error is not None:
                raise self.stream.error
        self.position += len(content)
        return content


def splice(stream: ByteStream, parts: Sequence[Part]) -> ByteStream:
    """Parts of a stream one after another."""
    if list(parts) == [(0, stream.size)]:
        return stream
    return ByteStream(cast(BinaryIO, _Parts(stream, parts)), stream.label, sum(map(_length, parts)))


def _length(part: Part) -> int:
    return len(part) if isinstance(part, bytes) else part[1] - part[0]
