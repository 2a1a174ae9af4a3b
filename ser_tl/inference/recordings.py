"""Everything that counts as a recording, as windows of mono samples at 16 kHz.

    path, bytes, file object, array, tensor, audio cell of `datasets`, row of a corpus --cut_recording--> windows

Files are decoded by `data.decoding`; what is refused there is refused here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE, decode
from ser_tl.data.decoding.arrays import read_array
from ser_tl.data.decoding.streaming import Span, Window, stream_windows
from ser_tl.errors import AudioError

Recording = Any
"""A path; the bytes of a file, or a file object; samples (numpy of any number type, or a torch tensor; mono, or with
channels first or last); `{"array": ..., "sampling_rate": ...}` as transformers' pipelines take it; `(rate, samples)`;
an audio cell of `datasets`, decoded or not; or a row of a corpus."""

EXPECTED = (
    "expected a path, bytes or a file object of encoded audio, samples (numpy or torch), "
    '{"array": samples, "sampling_rate": Hz}, (Hz, samples), an audio cell of datasets, or a row of a corpus'
)


def is_recording(item: object) -> bool:
    """Whether something is one recording, rather than several of them or nothing that could be one."""
    if isinstance(item, str | Path | bytes | bytearray | memoryview | Mapping | np.ndarray):
        return True
    if isinstance(item, tuple):
        return len(item) == 2 and _is_rate(item[0])
    return hasattr(item, "read") or _is_tensor(item) or hasattr(item, "get_all_samples")


def name_recording(item: object, index: int) -> str:
    """What a recording is called in messages and tables: its path where there is one, else its position in the list."""
    if isinstance(item, str | Path):
        return str(item)
    if isinstance(item, Mapping):
        for key in ("path", "file", "audio", "id"):
            inner = item.get(key)
            if isinstance(inner, str | Path) and str(inner):
                return str(inner)
            if isinstance(inner, Mapping):
                return name_recording(inner, index)
    path = getattr(item, "name", None)
    return path if isinstance(path, str) else f"recording {index}"


def cut_recording(
    item: Recording, plan_windows: Callable[[float], Sequence[Span]], sampling_rate: int | None = None
) -> Iterator[Window]:
    """The windows of a recording, one after the other: of an encoded one no more is decoded than it takes.

    Args:
        item: the recording
        plan_windows: start and end of each window in seconds, of a recording's length in seconds
            (`AudioConfig.segments`)
        sampling_rate: of arrays that don't bring their own, in Hz; 16 kHz if None

    Returns:
        An iterator over windows of mono float32 samples at 16 kHz; silence is the caller's to notice.

    Raises:
        AudioError: it isn't a recording, or can't be used; damage is reported when its window's turn comes
    """
    if isinstance(item, str | Path | bytes) or hasattr(item, "read"):
        return stream_windows(item, plan_windows, silence=True)
    if isinstance(item, bytearray | memoryview):
        return stream_windows(bytes(item), plan_windows, silence=True)
    if isinstance(item, Mapping):
        return _cut_mapping(item, plan_windows, sampling_rate)
    if isinstance(item, tuple) and len(item) == 2 and _is_rate(item[0]):
        return _cut_samples(item[1], int(item[0]), plan_windows)
    if hasattr(item, "get_all_samples"):  # torchcodec's decoder, which `datasets` puts into decoded cells
        samples = item.get_all_samples()
        return _cut_samples(samples.data, int(samples.sample_rate), plan_windows)
    if isinstance(item, np.ndarray) or _is_tensor(item):
        return _cut_samples(item, SAMPLE_RATE if sampling_rate is None else sampling_rate, plan_windows)
    raise AudioError(f"a recording of type {type(item).__name__}: {EXPECTED}")


def _cut_samples(samples: Any, rate: int, plan_windows: Callable[[float], Sequence[Span]]) -> Iterator[Window]:  # noqa: ANN401
    waveform = read_array(samples, rate, silence=True)
    for start, end in plan_windows(len(waveform) / SAMPLE_RATE):
        yield Window(start, end, waveform[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)])


def _cut_mapping(
    item: Mapping[str, Any], plan_windows: Callable[[float], Sequence[Span]], sampling_rate: int | None
) -> Iterator[Window]:
    samples = item.get("array", item.get("raw"))
    if samples is not None:
        rate = item.get("sampling_rate", sampling_rate)
        if rate is None:
            raise AudioError('samples without their rate: expected {"array": samples, "sampling_rate": Hz}')
        return _cut_samples(np.asarray(samples), int(rate), plan_windows)
    for key in ("bytes", "path"):
        if item.get(key) is not None:
            return cut_recording(item[key], plan_windows)
    if "audio" in item:
        inner = item["audio"]
        if item.get("start") or item.get("end"):  # a row of a corpus, which is a part of a file
            source = inner if not isinstance(inner, Mapping) else inner.get("bytes") or inner.get("path")
            return _cut_samples(
                decode(source, item.get("start") or 0.0, item.get("end"), silence=True), SAMPLE_RATE, plan_windows
            )
        return cut_recording(inner, plan_windows, item.get("sampling_rate", sampling_rate))
    raise AudioError(f"a recording with the keys {', '.join(map(str, item)) or '(none)'}: {EXPECTED}")


def _is_rate(item: object) -> bool:
    return isinstance(item, int | np.integer) and not isinstance(item, bool)


def _is_tensor(item: object) -> bool:
    return hasattr(item, "numpy") and hasattr(item, "detach")
