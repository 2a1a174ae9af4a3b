"""Whether an Ogg file is whole, from the headers of its pages (RFC 3533).

libsndfile reads a file that was cut up to the last whole page, and of several streams one after another the first; it
says nothing of either.
"""

import struct

from ser_tl.data.decoding.sources import ByteStream

_PAGE_HEADER = struct.Struct("<4sBBqIIIB")  # mark, version, flags, position, stream, number, checksum, segments
_FIRST, _LAST = 2, 4  # flags: a stream begins, ends
_WINDOW = 1 << 16  # bytes read at once


def find_ogg_problem(stream: ByteStream) -> str | None:
    """Why an Ogg file can't be read whole; None if nothing speaks against it.

    A last page without the mark of the stream's end is accepted: recorders that are stopped leave such files. So are
    tags and padding behind the end.
    """
    position, window, base = 0, b"", 0
    ended = False
    while position < stream.size:
        offset = position - base
        if offset + 27 + 255 > len(window):
            base, offset, window = position, 0, stream.read_at(position, _WINDOW)
        header = window[offset : offset + 27]
        if len(header) < 27 or header[:5] != b"OggS\0":
            return None if ended else _explain_gap(header, position, stream)
        _, _, flags, _, _, _, _, segments = _PAGE_HEADER.unpack(header)
        sizes = window[offset + 27 : offset + 27 + segments]
        if flags & _FIRST and ended:
            return f"holds another Ogg stream from byte {position} on: two recordings in one file, split it"
        ended = bool(flags & _LAST)
        position += 27 + segments + sum(sizes)
        if len(sizes) < segments or position > stream.size:
            return "cut short, it ends in the middle of an Ogg page: restore the file"
    return None


def _explain_gap(header: bytes, position: int, stream: ByteStream) -> str:
    if position + 27 > stream.size or b"OggS\0".startswith(header[:5]):
        return "cut short, it ends in the middle of an Ogg page: restore the file"
    return f"damaged, no Ogg page begins at byte {position}: restore the file"
