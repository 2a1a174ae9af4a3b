"""Headers of MPEG audio frames: finding the first, and the runs of frames that follow each other.

Layers I to III of MPEG 1, 2 and 2.5 (ISO/IEC 11172-3, 2.4.2.3 and 13818-3), free bit rates included.
"""

import re
from dataclasses import dataclass

from ser_tl.data.decoding.sources import ByteStream
from ser_tl.data.decoding.tags import skip_tags
from ser_tl.errors import AudioError

_KILOBITS = {  # a second, by (MPEG 1 or not, layer) and the number in the frame's header; 0 is for any rate
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HERTZ = (44100, 48000, 32000)  # of MPEG 1; half of it in MPEG 2, a quarter in MPEG 2.5
_DIVISORS = {3: 1, 2: 2, 0: 4}  # the header's number of the version to what the rate is divided by
_SYNC = re.compile(rb"\xff[\xe2-\xe7\xf2-\xff]")
_LONGEST = 8192  # bytes of a frame of a free bit rate
_IN_A_ROW = 3  # frames that fit each other are frames, and no bytes that look like one
_WINDOW = 1 << 16  # bytes read at once


@dataclass(frozen=True)
class Frame:
    """A frame's header.

    Args:
        header: its four bytes
        position: of its first byte in the stream
        size: bytes, the header included
        version: 3 for MPEG 1, 2 for MPEG 2, 0 for MPEG 2.5
        layer: 1 to 3
        rate: samples per second
        samples: of each channel
        channels: 1 or 2
    """

    header: bytes
    position: int
    size: int
    version: int
    layer: int
    rate: int
    samples: int
    channels: int

    @classmethod
    def parse(cls, header: bytes, position: int, free: int = 0) -> "Frame | None":
        """The frame with this header, or None.

        Args:
            header: four bytes
            position: of the first
            free: bytes of a frame without padding where the header names no bit rate
        """
        if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:  # eleven bits are set
            return None
        version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
        bits, hertz, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
        if version not in _DIVISORS or layer == 4 or bits == 15 or hertz == 3 or header[3] & 3 == 2:
            return None
        rate = _HERTZ[hertz] // _DIVISORS[version]
        samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
        unit = 4 if layer == 1 else 1  # bytes that sizes are counted in
        size = samples // 8 * _KILOBITS[version == 3, layer][bits] * 1000 // rate // unit * unit if bits else free
        size += padding * unit if size else 0
        return cls(header, position, size, version, layer, rate, samples, 1 if header[3] >> 6 == 3 else 2)

    def fits(self, other: "Frame") -> bool:
        """Whether another frame may belong to the same recording."""
        return (self.version, self.layer, self.rate, self.channels, self.is_free) == (
            other.version,
            other.layer,
            other.rate,
            other.channels,
            other.is_free,
        )

    @property
    def is_free(self) -> bool:
        """Whether the header names no bit rate."""
        return not self.header[2] >> 4

    @property
    def free(self) -> int:
        """Bytes without padding of a frame of a free bit rate; else 0."""
        return self.size - (self.header[2] >> 1 & 1) * (4 if self.layer == 1 else 1) if self.is_free else 0


def find_frame(stream: ByteStream, position: int, searched: int) -> Frame | None:
    """The first frame from a position on: others that fit it follow, or the end.

    Args:
        stream: the bytes
        position: where the search begins
        searched: how many bytes are looked at
    """
    end = min(stream.size, position + searched)
    while position < end:
        chunk = stream.read_at(position, _WINDOW + 1)
        for match in _SYNC.finditer(chunk):
            if position + match.start() >= end:
                return None
            frame = _frame_in_a_row(stream, position + match.start())
            if frame is not None:
                return frame
        position += _WINDOW
    return None


def find_runs(stream: ByteStream, first: Frame, position: int) -> tuple[list[tuple[int, int]], int]:
    """All frames that fit the first.

    Args:
        stream: the bytes
        first: the first frame of all
        position: where frames begin that are counted

    Returns:
        Runs of frames without anything between them, each with its first byte and the one behind its last; and the
        number of frames in all of them.

    Raises:
        AudioError: something between frames that is no tag, or another rate or channel count behind them
    """
    runs: list[tuple[int, int]] = []
    count = 0
    while True:
        end, frames, is_cut = _follow(stream, first, position)
        if frames:
            runs.append((position, end))
            count += frames
        behind = skip_tags(stream, end)
        following = None if is_cut else find_frame(stream, behind, stream.size)
        if following is None:
            return runs, count
        _check_gap(stream, first, end, following)
        position = following.position


def _follow(stream: ByteStream, first: Frame, position: int) -> tuple[int, int, bool]:
    """Frames one after another: where they end, how many they are, and whether the last is cut by the file's end."""
    sizes: dict[bytes, int] = {}  # a file has few headers, again and again
    count, base, window = 0, position, b""
    while True:
        offset = position - base
        header = window[offset : offset + 4]
        if len(header) < 4:
            base, window = position, stream.read_at(position, _WINDOW)
            header = window[:4]
        size = sizes.get(header)
        if size is None:
            frame = Frame.parse(header, position, first.free)
            size = sizes[header] = frame.size if frame is not None and frame.fits(first) else 0
        if not size or position + size > stream.size:
            return position, count, bool(size)
        position += size
        count += 1


def _frame_in_a_row(stream: ByteStream, position: int) -> Frame | None:
    frame = Frame.parse(stream.read_at(position, 4), position)
    if frame is None:
        return None
    for free in _free_sizes(stream, frame) if frame.is_free else (0,):
        start = Frame.parse(frame.header, position, free)
        if start is not None and start.size and _continues(stream, start):
            return start
    return None


def _free_sizes(stream: ByteStream, frame: Frame) -> list[int]:
    """Sizes that frames of a free bit rate may have: distances to what looks like the next."""
    content = stream.read_at(frame.position, _LONGEST)
    unit = 4 if frame.layer == 1 else 1
    padding = (frame.header[2] >> 1 & 1) * unit
    starts = [match.start() for match in _SYNC.finditer(content, 4)]
    others = [Frame.parse(content[start : start + 4], start) for start in starts]
    return [other.position - padding for other in others if other is not None and frame.fits(other)]


def _continues(stream: ByteStream, frame: Frame) -> bool:
    """Whether frames that fit follow, or the file ends as one does."""
    position, free = frame.position, frame.free
    for number in range(_IN_A_ROW):
        following = Frame.parse(stream.read_at(position, 4), position, free)
        if following is None or not following.fits(frame):
            return number > 0 and skip_tags(stream, position) >= stream.size
        if position + following.size > stream.size:
            return number > 1
        position += following.size
    return True


def _check_gap(stream: ByteStream, first: Frame, end: int, following: Frame) -> None:
    """Refuses what stands between frames and is neither a tag nor the beginning of another recording."""
    if not following.fits(first):
        raise AudioError(
            f"{stream.label}: from byte {following.position} on it has {following.rate} Hz and {following.channels} "
            f"channels, before {first.rate} Hz and {first.channels}: two recordings in one file, split it"
        )
    tags = skip_tags(stream, end)
    is_tagged = tags == following.position and stream.read_at(end, 4) != bytes(4)
    begins = any(name in stream.read_at(following.position, 64) for name in (b"Xing", b"Info", b"VBRI"))
    if not (is_tagged or begins):
        raise AudioError(
            f"{stream.label}: damaged, the {following.position - end} bytes from byte {end} on are no MPEG frames: "
            f"restore the file"
        )
