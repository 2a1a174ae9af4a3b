"""From an audio file to mono 16 kHz samples.

    path, bytes or file object --decode()--> waveform (N,) float32 in [-1, 1] at 16 kHz --normalise()--> waveform
                               --stream_windows()--> windows of it, in memory that doesn't grow with the recording
    array and its rate --read_array()--> waveform

Reads what libsndfile reads: WAV, FLAC, Ogg (Vorbis and Opus), MP3, AIFF, at any rate, channel count and bit depth. A
file that is missing, cut short, empty, silent, not finite or not scaled raises `AudioError`: broken audio never becomes
zeros. Independent of emotions, batches and models.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from ser_tl.data.audio_config import SAMPLE_RATE as SAMPLE_RATE
from ser_tl.data.audio_config import SILENCE as SILENCE
from ser_tl.data.audio_config import AudioConfig as AudioConfig
from ser_tl.data.audio_config import windows as windows
from ser_tl.data.decoding.arrays import read_array as read_array
from ser_tl.data.decoding.containers import FORMATS as FORMATS
from ser_tl.data.decoding.containers import OpenAudio, open_audio
from ser_tl.data.decoding.levels import Downmix
from ser_tl.data.decoding.resampling import resample_blocks
from ser_tl.data.decoding.sources import Source as Source
from ser_tl.data.decoding.sources import describe
from ser_tl.data.decoding.streaming import OVERSHOOT
from ser_tl.data.decoding.streaming import Window as Window
from ser_tl.data.decoding.streaming import stream_windows as stream_windows
from ser_tl.errors import AudioError

SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
"""What names of files in these formats end with, in lower case."""


def decode(source: Source, start: float = 0.0, end: float | None = None, *, silence: bool = False) -> np.ndarray:
    """The samples of a file, or of a part of it.

    Args:
        source: path or bytes of an encoded file, or a binary file object, which is read from its beginning
        start: seconds into the file
        end: seconds into the file; its end if None
        silence: accept silence, as between the words of a longer recording

    Returns:
        Waveform (N,), float32 in [-1, 1], mono (mean of the channels), 16 kHz.

    Raises:
        SilentAudioError: the part is silent
        AudioError: the file is missing, not audio, cut short, empty, not finite, not scaled, or shorter than the part;
            or its channels cancel
    """
    waveform = np.empty(0, np.float32)
    for block in iter_blocks(source, start, end, silence=silence):
        waveform = _append(waveform, block, source)
    return waveform


def iter_blocks(
    source: Source, start: float = 0.0, end: float | None = None, *, silence: bool = False
) -> Iterator[np.ndarray]:
    """What `decode` gives, in blocks of a few seconds: an hour takes no more memory than a minute.

    Errors come as the blocks are used: the header's with the first, damage where it stands, silence behind the last.

    Args:
        source: as of `decode`
        start: seconds into the file
        end: seconds into the file; its end if None
        silence: accept silence

    Returns:
        An iterator over blocks (N,), float32 in [-1, 1], mono, 16 kHz; end to end they are the waveform.

    Raises:
        AudioError: as `decode`
    """
    with open_audio(source) as audio:
        first, last = _find_part(audio, start, end)
        mixer = Downmix(audio.name)
        count = 0
        for block in resample_blocks(map(mixer.mix, audio.read_blocks(first, last)), audio.rate):
            count += len(block)
            yield block
        if not silence:
            mixer.check_silence()
        if not count:
            raise AudioError(f"{audio.name}: too short, {last - first} samples at {audio.rate} Hz: leave it out")


def duration(source: Source) -> float:
    """Seconds in a file, read from its header.

    Raises:
        AudioError: the file is missing, not audio, cut short or empty
    """
    with open_audio(source) as audio:
        return audio.frames / audio.rate


def _find_part(audio: OpenAudio, start: float, end: float | None) -> tuple[int, int]:
    """The first sample of a part, and the one behind its last."""
    seconds = audio.frames / audio.rate
    stop = seconds if end is None else end
    inside = 0 <= start < stop <= seconds + OVERSHOOT  # False if one isn't a number, too
    first, last = (round(start * audio.rate), min(round(stop * audio.rate), audio.frames)) if inside else (0, 0)
    if first >= last:
        raise AudioError(
            f"{audio.name}: no audio from {start:g} s to {'its end' if end is None else f'{end:g} s'}, the file has "
            f"{seconds:g} s: correct start and end"
        )
    return first, last


def _append(waveform: np.ndarray, block: np.ndarray, source: Source) -> np.ndarray:
    """Appends a block in place where the system can: a header's promise of length is no reason to take memory."""
    length = len(waveform)
    try:
        waveform.resize(length + len(block), refcheck=False)
    except MemoryError:
        raise AudioError(
            f"{describe(source)}: more than {length / SAMPLE_RATE:.0f} s don't fit into memory: read it in windows"
        ) from None
    waveform[length:] = block
    return waveform


def normalise(waveform: np.ndarray, how: Literal["none", "peak", "rms"]) -> np.ndarray:
    """Waveform (N,) at a peak of 1, at an RMS of 0.1, or unchanged. Silence stays silence."""
    if how == "none" or np.abs(waveform).max() <= SILENCE:
        return waveform
    if how == "peak":
        return waveform / np.abs(waveform).max()
    return waveform * (0.1 / np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))).astype(np.float32)
