"""One entry of the feature cache: a file with the output of one encoder layer for one clip.

    state (T, D) --write_state--> FILE.safetensors --read_state--> PackedState(mean, residual)
    its Summary --write_summary--> FILE.safetensors --read_summary--> the same

Each channel's mean over the clip is kept in float32 and the residual in float16 (float32 where that overflows): some
channels of transformers vary by a hundredth of their mean, and plain float16 would round that away.

An entry carries its key, which is its folder's name and its own, and a checksum of all that is in it; every reading
compares both. So a flipped bit, another entry's content under this name or a half-copied file is always noticed. The
checksum is zlib's CRC-32, which misses one damage in 4e9 and costs 0.8 s a GiB. Independent of encoders.
"""

import json
import os
import zlib
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save_file
from torch import Tensor

from ser_tl.cache.summaries import Summary
from ser_tl.data.batching import PackedState
from ser_tl.errors import CacheError
from ser_tl.files import write_atomically

_LENGTH = 8  # bytes that say how long a safetensors header is


def write_state(path: Path, state: Tensor, seconds: float = 0.0) -> None:
    """Writes the state (T, D) of a clip of `seconds`, atomically.

    Raises:
        StorageError: the folder can't be written to, or the disk is full
    """
    mean, residual = _split(state)
    half = residual.half()
    tensors = {"mean": mean, "rest": (half if half.isfinite().all() else residual).contiguous()}  # the file's own names
    _write(path, tensors, seconds)


def write_state_summary(path: Path, state: Tensor, seconds: float = 0.0) -> None:
    """Writes the summary of the state (T, D) of a clip of `seconds`; as `write_state`."""
    write_summary(path, Summary.from_mean(*_split(state)), seconds)


def write_summary(path: Path, summary: Summary, seconds: float) -> None:
    """Writes the summary of a clip of `seconds`; as `write_state`."""
    _write(path, summary._asdict(), seconds)


def _split(state: Tensor) -> tuple[Tensor, Tensor]:
    """The mean over time (1, D) in float32, and the residual (T, D)."""
    state = state.detach().float().cpu()
    mean = state.mean(dim=0, keepdim=True)
    return mean, state - mean


def _write(path: Path, tensors: dict[str, Tensor], seconds: float) -> None:
    metadata = {"key": _key(path), "seconds": f"{seconds:.6f}"}
    path.parent.mkdir(parents=True, exist_ok=True)
    size = sum(tensor.nbytes for tensor in tensors.values())
    # Not waited for: what a power cut leaves of an entry fails its checksum.
    with write_atomically(path, size=size, durable=False) as temporary:
        save_file(tensors, temporary, metadata=metadata | {"checksum": _checksum(tensors, metadata)})


def read_state(path: Path) -> PackedState:
    """The state of one clip.

    Raises:
        CacheError: the file is gone, damaged, or another clip's or layer's
    """
    tensors = _read(path)
    return PackedState(tensors["mean"], tensors["rest"])


def read_summary(path: Path) -> Summary:
    """The summary of one clip.

    Raises:
        CacheError: as of `read_state`
    """
    return Summary(**_read(path))


def _read(path: Path) -> dict[str, Tensor]:
    try:
        content = path.read_bytes()  # a file is small: to map it takes longer than to read it
        tensors = load(content)
        begin = int.from_bytes(content[:_LENGTH], "little")
        metadata = json.loads(content[_LENGTH : _LENGTH + begin])["__metadata__"]
        if metadata["checksum"] != _checksum(tensors, metadata):
            raise CacheError("its checksum isn't that of its content")
        if metadata["key"] != _key(path):
            raise CacheError(f"it holds {metadata['key']}")
        return tensors
    except (OSError, SafetensorError, CacheError, KeyError, TypeError, ValueError) as error:
        raise _explain_unreadable(path, error) from error


def read_seconds(path: Path) -> float:
    """The length of an entry's clip, from the file's header alone; the entry was checked or written before.

    Raises:
        CacheError: the file is gone or damaged
    """
    try:
        with safe_open(path, framework="pt") as file:
            return float(file.metadata()["seconds"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise _explain_unreadable(path, error) from error


def _explain_unreadable(path: Path, error: Exception) -> CacheError:
    if isinstance(error, FileNotFoundError):
        return CacheError(
            f"{path}: this entry of the feature cache is gone; another run has made room for its own, perhaps. Allow "
            f"more (train.cache_gib), or give each run a cache of its own ($SER_TL_CACHE); `resume` goes on from here"
        )
    return CacheError(
        f"{path}: this entry of the feature cache can't be read ({error}). A training that begins, or goes on with "
        f"--resume, computes it anew, and `ser-tl cache verify --delete` deletes all damaged ones; --train.cache false "
        f"does without"
    )


def _key(path: Path) -> str:
    """The layer and the clip of an entry, by its path."""
    return f"{path.parts[-3] if len(path.parts) > 2 else ''}/{path.stem}"


def _checksum(tensors: dict[str, Tensor], metadata: dict[str, str]) -> str:
    """The checksum of the values and of their metadata."""
    total = zlib.crc32(f"{metadata['key']} {metadata['seconds']}".encode())
    for name, tensor in sorted(tensors.items()):
        total = zlib.crc32(f" {name} {tensor.dtype} {list(tensor.shape)} ".encode(), total)
        total = zlib.crc32(tensor.contiguous().numpy(), total)
    return f"{total:08x}"


def is_whole(path: Path) -> bool:
    """Whether the file has the content that was written under this path."""
    try:
        _read(path)
    except CacheError:
        return False
    return True


def touch(path: Path) -> bool:
    """Whether the entry is there; marks it as used now, where that is allowed."""
    with suppress(OSError):
        os.utime(path)
    return path.is_file()
