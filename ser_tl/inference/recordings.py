"""Everything that counts as a recording, as mono samples at 16 kHz.

    path, bytes, file object, array, tensor, audio cell of `datasets`, row of a corpus --read_recording--> (N,) float32

Files are decoded by `data.audio`; what is refused there is refused here. Knows nothing of models.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ser_tl.data import audio
from ser_tl.data.audio import SAMPLE_RATE
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


def read_recording(item: Recording, sampling_rate: int | None = None) -> np.ndarray:
    """The samples of a recording.

    Args:
        item: the recording
        sampling_rate: of arrays that don't bring their own, in Hz; 16 kHz if None

    Returns:
        (N,) float32 at 16 kHz; a silent one is the caller's to notice.

    Raises:
        AudioError: it isn't one, or can't be used
    """
    if isinstance(item, str | Path):
        return audio.decode(item, silence=True)
    if isinstance(item, bytes | bytearray | memoryview):
        return audio.decode(bytes(item), silence=True)
    if isinstance(item, Mapping):
        return _read_mapping(item, sampling_rate)
    if isinstance(item, tuple) and len(item) == 2 and _is_rate(item[0]):
        return audio.read_array(item[1], int(item[0]), silence=True)
    if hasattr(item, "get_all_samples"):  # torchcodec's decoder, which `datasets` puts into decoded cells
        samples = item.get_all_samples()
        return audio.read_array(samples.data, int(samples.sample_rate), silence=True)
    if isinstance(item, np.ndarray) or _is_tensor(item):
        return audio.read_array(item, SAMPLE_RATE if sampling_rate is None else sampling_rate, silence=True)
    if hasattr(item, "read"):
        return audio.decode(item, silence=True)
    raise AudioError(f"a recording of type {type(item).__name__}: {EXPECTED}")


def _read_mapping(item: Mapping[str, Any], sampling_rate: int | None) -> np.ndarray:
    samples = item.get("array", item.get("raw"))
    if samples is not None:
        rate = item.get("sampling_rate", sampling_rate)
        if rate is None:
            raise AudioError('samples without their rate: expected {"array": samples, "sampling_rate": Hz}')
        return audio.read_array(np.asarray(samples), int(rate), silence=True)
    if item.get("bytes") is not None:
        return audio.decode(bytes(item["bytes"]), silence=True)
    if item.get("path"):
        return audio.decode(item["path"], silence=True)
    if "audio" in item:
        inner = item["audio"]
        if isinstance(inner, str | Path) and item.get("start") is not None:  # a row of a corpus: a part of a file
            end = item.get("end")
            return audio.decode(inner, float(item["start"]), None if end is None else float(end), silence=True)
        return read_recording(inner, item.get("sampling_rate", sampling_rate))
    raise AudioError(f"a recording with the keys {', '.join(map(str, item)) or '(none)'}: {EXPECTED}")


def _is_rate(item: object) -> bool:
    return isinstance(item, int | np.integer) and not isinstance(item, bool)


def _is_tensor(item: object) -> bool:
    return hasattr(item, "numpy") and hasattr(item, "detach")
