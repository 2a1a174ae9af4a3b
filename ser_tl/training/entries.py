"""One entry of the feature cache: a file with what a layer of an encoder made of one clip.

    state (T, D) --write_state--> FILE.safetensors --read_state--> State(mean, rest)

Each channel's mean over the clip is kept in float32 and what is left in float16 (float32 where that overflows): some
channels of transformers move by a hundredth of their mean, and plain float16 would round that away. A file is whole or
not there; its digests tell later damage. Knows nothing of keys, folders or encoders.
"""

import os
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save_file
from torch import Tensor

from ser_tl.data.batching import State
from ser_tl.encoders.fingerprint import digest
from ser_tl.errors import CacheError


def write_state(path: Path, state: Tensor, seconds: float = 0.0) -> None:
    """Writes the state (T, D) of a clip that is so long; the file is whole or not there."""
    state = state.detach().float().cpu()
    mean = state.mean(dim=0, keepdim=True)
    rest = state - mean
    half = rest.half()
    kept = {"mean": mean, "rest": (half if half.isfinite().all() else rest).contiguous()}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    noted = {name: digest(tensor) for name, tensor in kept.items()}
    save_file(kept, part, metadata=noted | {"seconds": f"{seconds:.6f}"})
    part.replace(path)


def read_state(path: Path) -> State:
    """The state of one clip.

    Raises:
        CacheError: the file is gone or damaged
    """
    try:
        return State(**load(path.read_bytes()))  # a file is small: to map it takes longer than to read it
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def read_seconds(path: Path) -> float:
    """How long the clip is, from the file's header.

    Raises:
        CacheError: the file is gone or damaged
    """
    try:
        with safe_open(path, framework="pt") as file:
            return float(file.metadata()["seconds"])
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> CacheError:
    if isinstance(error, FileNotFoundError):
        return CacheError(
            f"{path}: this entry of the feature cache is gone; another run has made room for its own, perhaps. Allow "
            f"more (--train.cache_gib), or give each run a cache of its own ($SER_TL_CACHE); --resume goes on from here"
        )
    return CacheError(
        f"{path}: this entry of the feature cache can't be read ({error}). `ser-tl cache verify "
        f"--delete` deletes damaged entries, which are then computed anew; --train.cache false does without"
    )


def is_whole(path: Path) -> bool:
    """Whether the file holds what was written."""
    try:
        with safe_open(path, framework="pt") as file:
            noted = file.metadata() or {}
            return all(digest(file.get_tensor(name)) == noted.get(name) for name in ("mean", "rest"))
    except (OSError, SafetensorError):
        return False


def touch(path: Path) -> bool:
    """Whether the entry is there; marks it as used now."""
    with suppress(FileNotFoundError):
        os.utime(path)
        return True
    return False
