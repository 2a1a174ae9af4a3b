"""How long an MP3 is that doesn't say it.

    file --untold_samples--> samples in all frames, or None where a header tells how many there are

Without the header that encoders write into the first frame (Xing, Info or VBRI), libsndfile takes the length from the
size of the file and the first frame's bit rate, which is wrong where the rate varies. Knows headers only, no audio.
"""

from typing import BinaryIO

_KILOBITS = {  # a second, by the number in the frame's header; 0 is for any rate, and not read
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HERTZ = (44100, 48000, 32000)  # of MPEG 1; half of it in MPEG 2, a quarter in MPEG 2.5
_DIVISORS = {3: 1, 2: 2, 0: 4}  # the header's number of the version to what the rate is divided by
_LENGTH_TAGS = (b"Xing", b"Info", b"VBRI")
_TAGS = (b"TAG", b"APE", b"ID3")  # with the title and the like, behind the last frame


def untold_samples(stream: BinaryIO) -> int | None:
    """Samples in all frames; None where a header tells how many, or anything but frames and tags is in the file.

    Args:
        stream: an MP3 file
    """
    place, samples = _behind_id3(stream), 0
    while True:
        stream.seek(place)
        head = stream.read(4)
        size, more = _frame(head)
        if not size:
            return samples if len(head) < 4 or head[:3] in _TAGS else None
        first = b"" if samples else stream.read(size - 4)
        if any(tag in first for tag in _LENGTH_TAGS):
            return None
        place, samples = place + size, samples + more


def _behind_id3(stream: BinaryIO) -> int:
    """Where the first frame is: behind a tag with the title and the like, whose size is in four bytes of 7 bits."""
    head = stream.read(10)
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    return 10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))


def _frame(head: bytes) -> tuple[int, int]:
    """Bytes and samples of the frame with this header; zeros where there is none of layer III."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:  # eleven bits are set, then the version, layer III
        return 0, 0
    version, rate, hertz = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version not in _DIVISORS or rate in (0, 15) or hertz == 3:
        return 0, 0
    samples = 1152 if version == 3 else 576
    size = samples // 8 * _KILOBITS[version == 3][rate] * 1000 // (_HERTZ[hertz] // _DIVISORS[version])
    return size + (head[2] >> 1 & 1), samples
