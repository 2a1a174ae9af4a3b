"""Audio files as tools leave them, made here: containers, codecs, tags, padding, concatenation and odd headers.

Each is bytes under a name, with what becomes of it: its seconds of audio, or a part of the reason to refuse it.
"""

import io
import struct
from dataclasses import dataclass
from functools import cache

import numpy as np
import soundfile

SECONDS = 3.0
RATE = 44100


@dataclass(frozen=True)
class Specimen:
    name: str
    content: bytes
    seconds: float | None = None
    refused: str | None = None


def speechlike(seconds=SECONDS, rate=RATE):
    noise = np.cumsum(np.random.default_rng(0).normal(size=round(seconds * rate)))
    noise -= np.convolve(noise, np.ones(64) / 64, mode="same")
    return 0.4 * noise / np.abs(noise).max()


def encode(waveform, kind="WAV", subtype=None, rate=RATE, **how):
    file = io.BytesIO()
    soundfile.write(file, waveform, rate, format=kind, subtype=subtype, **how)
    return file.getvalue()


def syncsafe(number):
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def id3(size, version=4, *, noise=False):
    """A tag of so many bytes: a title and padding, or a cover."""
    if noise:
        picture = np.random.default_rng(1).integers(0, 256, size - 24, dtype=np.uint8).tobytes()
        body = b"APIC" + struct.pack(">I", size - 10) + b"\0\0\0image/jpeg\0\3\0" + picture[: size - 24]
        body = body[:size]
    else:
        body = b"TIT2" + syncsafe(40) + b"\0\0\0" + b"x" * 39
        body = body.ljust(size, b"\0")[:size]
    return b"ID3" + bytes([version, 0, 0]) + syncsafe(len(body)) + body


def ape(items=20):
    body = (b"\4\0\0\0\0\0\0\0Artist\0name").ljust(100, b"z") * items
    ends = [b"APETAGEX" + struct.pack("<IIII", 2000, len(body) + 32, items, flags << 29) + bytes(8) for flags in (5, 4)]
    return ends[0] + body + ends[1]


def lyrics():
    body = b"LYRICSBEGIN" + b"LYR00200" + b"la" * 100
    return body + b"%06d" % len(body) + b"LYRICS200"


ID3V1 = b"TAG" + b"title".ljust(125, b"\0")


def junk(size, *, seed=3, top=256):
    return np.random.default_rng(seed).integers(0, top, size, dtype=np.uint8).tobytes()


@cache
def mp3(mode="CONSTANT", *, bare=False, rate=RATE):
    content = encode(speechlike(rate=rate), "MP3", rate=rate, bitrate_mode=mode, compression_level=0.5)
    return content[content.index(content[:2], 100) :] if bare else content


def vbri(content):
    """An MP3 whose first frame tells its length as Fraunhofer's encoder does."""
    size = content.index(content[:2], 100)
    frames = struct.unpack(">I", content[content.index(b"Info" if b"Info" in content[:50] else b"Xing") + 8 :][:4])[0]
    tag = b"VBRI" + struct.pack(">HHHII", 1, 0, 75, len(content), frames)
    return (content[:4] + bytes(32) + tag).ljust(size, b"\0") + content[size:]


def mpeg_wav(content, *, cut=0):
    fmt = struct.pack("<IHHIIHHHHIHHH", 30, 0x55, 1, RATE, 8000, 1, 0, 12, 1, 2, 208, 1, 1393)
    size = 4 + 8 + 30 + 8 + len(content)
    whole = b"RIFF" + struct.pack("<I", size) + b"WAVEfmt " + fmt + b"data" + struct.pack("<I", len(content)) + content
    return whole[: len(whole) - cut]


def sized(content, *, riff=None, data=None):
    """A WAV whose header tells other sizes."""
    place = content.index(b"data") + 4
    content = content if data is None else content[:place] + struct.pack("<I", data) + content[place + 4 :]
    return content if riff is None else content[:4] + struct.pack("<I", riff) + content[8:]


def mp3_specimens():
    for mode in ("CONSTANT", "VARIABLE"):
        for bare in (False, True):
            content = mp3(mode, bare=bare)
            about = f"{mode.lower()}-{'bare' if bare else 'told'}"
            around = {
                "plain": content,
                "id3": id3(3000) + content,
                "cover": id3(300_000, 3, noise=True) + content,
                "two-id3": id3(3000) + id3(200, 3) + content,
                "padded-id3": id3(3000) + bytes(5000) + content,
                "zeros-before": bytes(3000) + content,
                "many-zeros-before": bytes(100_000) + content,
                "junk-before": junk(700, top=128) + content,
                "zeros-behind": content + bytes(40_000),
                "junk-behind": content + junk(3000, top=128),
                "id3v1": content + ID3V1,
                "ape": content + ape(),
                "ape-id3v1": content + ape() + ID3V1,
                "lyrics-id3v1": content + lyrics() + ID3V1,
                "id3-behind": content + id3(3000),
            }
            for name, specimen in around.items():
                yield Specimen(f"{about}-{name}.mp3", specimen, SECONDS)
            yield Specimen(f"{about}-twice.mp3", content + content, 2 * SECONDS)
            yield Specimen(f"{about}-twice-tagged.mp3", id3(300) + content + ID3V1 + id3(3000) + content, 2 * SECONDS)
            middle = len(content) // 2
            broken = content[:middle] + junk(5000, top=128) + content[middle:]
            yield Specimen(f"{about}-junk-within.mp3", broken, refused="damaged, the")
            hole = content[:middle] + bytes(4096) + content[middle + 4096 :]
            yield Specimen(f"{about}-hole.mp3", hole, refused="damaged, ")
        told = mp3(mode)
        yield Specimen(f"{mode.lower()}-told-cut.mp3", told[: len(told) // 2], refused="cut short")
        yield Specimen(f"{mode.lower()}-vbri.mp3", vbri(told), SECONDS)
        yield Specimen(f"{mode.lower()}-vbri-cut.mp3", vbri(told)[: len(told) // 2], refused="cut short")
    for rate in (11025, 16000, 24000, 32000, 48000):
        yield Specimen(f"bare-{rate}.mp3", id3(3000) + mp3("VARIABLE", bare=True, rate=rate), SECONDS)
    other = mp3(bare=True) + mp3(bare=True, rate=22050)
    yield Specimen("two-rates.mp3", other, refused="two recordings in one file")


def wav_specimens():
    content = encode(speechlike())
    yield Specimen("mp3-in-wav.wav", mpeg_wav(mp3(bare=True)), SECONDS)
    yield Specimen("mp3-told-in-wav.wav", mpeg_wav(mp3("VARIABLE")), SECONDS)
    yield Specimen("mp3-in-wav-cut.wav", mpeg_wav(mp3(bare=True), cut=9000), refused="cut short")
    yield Specimen("mp3-named.wav", mp3(), SECONDS)
    yield Specimen("size-0.wav", sized(content, riff=0, data=0), SECONDS)
    yield Specimen("data-size-0.wav", sized(content, data=0), SECONDS)
    yield Specimen("riff-size-0.wav", sized(content, riff=0), SECONDS)
    yield Specimen("piped.wav", sized(content, riff=0xFFFFFFFF, data=0xFFFFFFFF), SECONDS)
    yield Specimen("no-samples.wav", encode(np.zeros(0)), refused="it has no samples")
    behind = sized(encode(np.zeros(0)), riff=36 + 8 + 6) + b"LIST" + struct.pack("<I", 6) + b"INFO\0\0"
    yield Specimen("no-samples-but-tags.wav", behind, refused="it has no samples")
    yield Specimen("junk-chunk.wav", content[:12] + b"JUNK" + struct.pack("<I", 28) + bytes(28) + content[12:], SECONDS)
    yield Specimen("odd-chunk.wav", content[:36] + b"LIST" + struct.pack("<I", 5) + b"INFOx\0" + content[36:], SECONDS)
    yield Specimen("two-data.wav", content + content[36:], refused="a second chunk of samples")
    for codec in ("PCM_U8", "PCM_24", "FLOAT", "DOUBLE", "ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610"):
        yield Specimen(f"{codec.lower()}.wav", encode(speechlike(), subtype=codec), SECONDS)
    for kind in ("RF64", "W64", "WAVEX", "CAF", "AU", "NIST", "VOC"):
        yield Specimen(f"{kind.lower()}.bin", encode(speechlike(), kind, "PCM_16"), SECONDS)


def other_specimens():
    flac = bytearray(encode(speechlike(), "FLAC"))
    flac[21] |= 0x0F
    flac[22:26] = b"\xff" * 4
    yield Specimen("promises-2-36.flac", bytes(flac), refused="its header tells 68719476735 samples")
    for kind, subtype in (("WAV", None), ("FLAC", None), ("AIFF", None), ("OGG", "VORBIS"), ("OGG", "OPUS")):
        rate = 48000 if subtype == "OPUS" else RATE
        content = encode(speechlike(rate=rate), kind, subtype, rate)
        name = f"{subtype or kind}.{kind}".lower()
        yield Specimen(f"plain-{name}", content, SECONDS)
        yield Specimen(f"id3-before-{name}", id3(3000) + content, SECONDS)
        yield Specimen(f"cover-before-{name}", id3(300_000, noise=True) + content, SECONDS)
        yield Specimen(f"id3-behind-{name}", content + id3(3000), SECONDS)
        yield Specimen(f"id3v1-behind-{name}", content + ID3V1, SECONDS)
        yield Specimen(f"zeros-behind-{name}", content + bytes(5000), SECONDS)
        yield Specimen(f"zeros-before-{name}", bytes(512) + content, refused="not audio that can be read")
        yield Specimen(f"twice-{name}", content + content, refused="two recordings in one file")
        yield Specimen(f"cut-{name}", content[: len(content) * 2 // 3], refused="restore the file")
        middle = len(content) // 2
        if kind in ("FLAC", "OGG"):  # bytes lost in samples that aren't coded show in nothing
            lost = content[:middle] + content[middle + 3000 :]
            yield Specimen(f"bytes-lost-{name}", lost, refused="restore the file")


UNREAD = {
    "clip.m4a": (b"\0\0\0\x20ftypM4A \0\0\0\0", "MP4 or M4A"),
    "clip.mp3": (b"\0\0\0\x20ftypmp42\0\0\0\0", "MP4 or M4A"),
    "clip.webm": (b"\x1aE\xdf\xa3\x01\0\0\0", "Matroska or WebM"),
    "clip.wma": (b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\0\xaa", "Windows Media"),
    "clip.amr": (b"#!AMR\n" + junk(100), "AMR"),
    "clip.aac": (b"\xff\xf1\x50\x80\x1a\x7f\xfc" + junk(300, top=128), "AAC"),
    "speex.ogg": (b"OggS\0\2" + bytes(20) + b"\1\x50Speex   1.2", "Ogg with Speex"),
    "flac.oga": (b"OggS\0\2" + bytes(20) + b"\1\x33\x7fFLAC\1\0", "Ogg with FLAC"),
    "page.wav": (b"<!DOCTYPE html><html>404</html>", "a web page"),
    "error.wav": (b'{"message": "Not found"}', "JSON"),
    "pointer.wav": (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    "clips.zip": (b"PK\x03\x04" + junk(100), "an archive"),
}


def specimens():
    """All specimens of which something can be decoded, or was once."""
    return [*mp3_specimens(), *wav_specimens(), *other_specimens()]
