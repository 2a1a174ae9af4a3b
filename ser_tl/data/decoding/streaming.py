"""Windows of a recording of any length, in memory that doesn't grow with it.

    source, spans --stream_windows()--> Window, Window, ...

The file is read once from front to back; where spans leave a gap, it is sought in and the gap isn't read. What a window
holds is what the whole recording would at that time, and doesn't depend on the other windows.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ser_tl.data.decoding.containers import OpenAudio, open_audio
from ser_tl.data.decoding.levels import Downmix
from ser_tl.data.decoding.resampling import SAMPLE_RATE, count_resampled, resample_blocks
from ser_tl.data.decoding.sources import Source
from ser_tl.errors import AudioError

OVERSHOOT = 0.1
"""Seconds by which a part may end beyond its file: annotations are rounded."""

_GAP = 30.0  # seconds between spans from which on seeking is worth it
_LEAD = 1.0  # seconds read before a window that was sought: decoders and the resampler need what came before

Span = tuple[float, float]
"""Start and end, seconds into the recording."""


class Window(NamedTuple):
    """A part of a recording.

    Args:
        start: seconds into the recording
        end: seconds into the recording
        samples: (N,) float32 in [-1, 1], mono, 16 kHz
    """

    start: float
    end: float
    samples: np.ndarray


def stream_windows(
    source: Source, spans: Iterable[Span] | Callable[[float], Iterable[Span]], *, silence: bool = False
) -> Iterator[Window]:
    """The windows of a recording, one after another.

    A window's samples are `decode(source)[round(start * 16000) : round(end * 16000)]`: bit for bit where spans follow
    each other without a gap of half a minute, else up to a rounding (1e-6).

    Args:
        source: a path, the bytes of a file, or a binary file object, whose position moves until the last window
        spans: start and end of each window in seconds, in order of their starts; they may overlap. Or a function that
            tells them of the recording's length in seconds, such as `AudioConfig.segments`
        silence: accept a recording that is silent in all that was read

    Returns:
        An iterator over windows in the order of the spans. Errors come as it is used: the header's with the first
        window, damage where it stands, silence behind the last window.

    Raises:
        SilentAudioError: silent as a whole
        AudioError: the file is missing, not audio, cut short, empty, not finite, not scaled; its channels cancel;
            or spans are out of order or beyond its end
    """
    with open_audio(source) as audio:
        total = count_resampled(audio.frames, audio.rate)
        chosen = spans if isinstance(spans, Iterable) else spans(total / SAMPLE_RATE)
        cuts = _check_spans(chosen, total, audio.name)
        mixer = Downmix(audio.name)
        reader = _Reader(audio, mixer, 0)
        for (start, end), first, last in cuts:
            if first - reader.end > _GAP * SAMPLE_RATE:
                reader = _Reader(audio, mixer, first)
            samples = reader.read(first, last)
            if last >= total:
                reader.finish()
            if len(samples):  # an MP3 may end a little before what its header tells
                yield Window(start, end, samples)
        if cuts and not silence:
            mixer.check_silence()


class _Reader:
    """Decoded samples from a place on, of which the last few seconds are kept.

    Args:
        audio: open audio
        mixer: of its channels
        position: the first sample at 16 kHz that will be asked for
    """

    def __init__(self, audio: OpenAudio, mixer: Downmix, position: int) -> None:
        # The resampler begins where a sample of the file and one at 16 kHz fall together, as they do at its start.
        step = audio.rate // math.gcd(audio.rate, SAMPLE_RATE)
        start = max(0, position / SAMPLE_RATE - _LEAD) * audio.rate
        first = min(int(start) // step * step, audio.frames)
        self.start = first // step * (SAMPLE_RATE // math.gcd(audio.rate, SAMPLE_RATE))  # of what is kept
        self.end = self.start  # the sample behind the last that was decoded
        self.buffer: list[np.ndarray] = []
        self.source_blocks = resample_blocks(map(mixer.mix, audio.read_blocks(first, audio.frames)), audio.rate)

    def read(self, first: int, last: int) -> np.ndarray:
        """Samples of a part; what is before it is let go. Fewer at the recording's end."""
        self._forget(first)
        while self.end < last and (block := next(self.source_blocks, None)) is not None:
            self.buffer.append(block)
            self.end += len(block)
            self._forget(first)
        if len(self.buffer) != 1:
            self.buffer = [np.concatenate([np.zeros(0, np.float32), *self.buffer])]
        (samples,) = self.buffer
        return samples[first - self.start : last - self.start].copy()

    def finish(self) -> None:
        """Reads to the end, where it shows whether the file is whole."""
        for _ in self.source_blocks:
            pass

    def _forget(self, first: int) -> None:
        """Lets go of what is before a sample."""
        while self.buffer and self.start < first:
            count = min(first - self.start, len(self.buffer[0]))
            self.buffer[0] = self.buffer[0][count:]
            self.start += count
            if not len(self.buffer[0]):
                self.buffer.pop(0)


def _check_spans(spans: Iterable[Span], total: int, name: str) -> list[tuple[Span, int, int]]:
    """Each span with its first sample and the one behind its last."""
    cuts, before = [], 0.0
    for start, end in spans:
        first, last = 0, 0
        if before <= start < end <= total / SAMPLE_RATE + OVERSHOOT:  # False if one isn't a number, too
            first, last = round(start * SAMPLE_RATE), min(round(end * SAMPLE_RATE), total)
        if first >= last:
            raise AudioError(
                f"{name}: no window from {start:g} s to {end:g} s, the file has {total / SAMPLE_RATE:g} s and the "
                f"window before starts at {before:g} s: give spans within it, in order of their starts"
            )
        cuts.append(((start, end), first, last))
        before = start
    return cuts
