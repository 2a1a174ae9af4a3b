"""What a file is, by its first bytes: the formats that libsndfile reads, and the names of those that it doesn't."""

import re

_READ = re.compile(
    rb"RIFF|RIFX|RF64|riff|FORM|fLaC|OggS|caff|\.snd|dns\.|NIST|Creative|\0?\xa3\xd1\x64|2BIT|FAP |MAT|Extended"
)
_CONVERT = "convert it to WAV or FLAC, for example with ffmpeg"
_UNREAD = {
    rb".{4}ftyp": f"MP4 or M4A, which isn't read: {_CONVERT}",
    rb"\x1aE\xdf\xa3": f"Matroska or WebM, which isn't read: {_CONVERT}",
    rb"0&\xb2u\x8ef\xcf\x11": f"Windows Media (WMA), which isn't read: {_CONVERT}",
    rb"#!AMR": f"AMR, which isn't read: {_CONVERT}",
    rb"\xff[\xf0\xf1\xf8\xf9]|ADIF": f"AAC, which isn't read: {_CONVERT}",
    rb"wvpk": f"WavPack, which isn't read: {_CONVERT}",
    rb"MAC ": f"Monkey's Audio, which isn't read: {_CONVERT}",
    rb"FLV": f"Flash video, which isn't read: {_CONVERT}",
    rb"\x0bw": f"AC-3, which isn't read: {_CONVERT}",
    rb"\0\0\x01[\xba\xb3]": f"MPEG video, which isn't read: {_CONVERT}",
    rb"\x47.{187}\x47": f"an MPEG transport stream, which isn't read: {_CONVERT}",
    rb"PK\x03\x04|\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!": "an archive: unpack it",
    rb"version https://git-lfs": "a pointer of Git LFS and not the file: fetch it with `git lfs pull`",
    rb"\s*<(!doctype|html|\?xml)": "a web page, as a download that failed leaves it: download it again",
    rb"\s*[\[{]": "JSON, as a download that failed leaves it: download it again",
}
_OGG_CODECS = {
    b"\x01vorbis": "Vorbis",
    b"OpusHead": "Opus",
    b"\x7fFLAC": "FLAC",
    b"Speex   ": "Speex",
    b"\x80theora": "Theora video",
    b"fishead\0": "a skeleton",
}


def is_read(head: bytes) -> bool:
    """Whether a file that begins so has a signature that libsndfile knows (MP3 has none)."""
    return _READ.match(head) is not None


def explain_unread(head: bytes) -> str | None:
    """What a file is that can't be read, with the way out; None where its first bytes don't say.

    Args:
        head: its first bytes, 256 or more if the file has them
    """
    for pattern, reason in _UNREAD.items():
        if re.match(pattern, head, re.IGNORECASE | re.DOTALL):
            return reason
    if head[:4] == b"OggS" and ogg_codec(head) not in (None, "Vorbis", "Opus"):
        return f"Ogg with {ogg_codec(head)}, which isn't read: {_CONVERT}"
    return None


def ogg_codec(head: bytes) -> str | None:
    """What is in an Ogg stream whose first page begins so."""
    packet = head[28:36] if len(head) > 28 else b""
    return next((name for mark, name in _OGG_CODECS.items() if packet.startswith(mark)), None)
