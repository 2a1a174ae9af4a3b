"""A safetensors file that carries the config of its model: one file, so that one rename replaces a model.

    config, weights --write_weights()--> model.safetensors --read_weights()--> weights, config as it was saved
                                                     weights --check_fit(), check_values()--> or what is wrong with them

config.json lies beside it for people and other programs. Two files can't be replaced in one step: who reads while
another saves may find the config of one model beside the weights of another. The copy in the weights file then
says which config belongs to them. Safetensors only, never a pickle.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ser_tl.encoders.fingerprint import fingerprint
from ser_tl.errors import CheckpointError, listing
from ser_tl.files import write_atomically

_CONFIG = "config"
"""Name of the config in the file's metadata."""


class Weights(NamedTuple):
    """What a safetensors file holds.

    Attributes:
        tensors: by name
        config: as the file's writer saved it; None in files of earlier versions and of other programs
    """

    tensors: dict[str, Tensor]
    config: dict[str, Any] | None


def write_weights(path: Path, tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Writes the file, whole or not at all. The same tensors and config give the same bytes.

    Raises:
        StorageError: it can't be written
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    with write_atomically(path, size=size) as part:
        save_file(dict(tensors), part, metadata={"format": "pt", _CONFIG: json.dumps(config)})
        _sort_metadata(part)


def _sort_metadata(path: Path) -> None:
    """Puts the metadata in order, which safetensors writes in another one each time."""
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
        if len(text) <= length:  # else the other order is as good
            file.seek(8)
            file.write(text.ljust(length))


def read_weights(path: Path) -> Weights:
    """Reads the file, of which nothing is run.

    Raises:
        CheckpointError: it is damaged, cut short, or no safetensors file
    """
    try:
        with safe_open(path, framework="pt") as file:
            saved = (file.metadata() or {}).get(_CONFIG)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        config = None if saved is None else json.loads(saved)
    except (SafetensorError, OSError, ValueError, RecursionError, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: damaged or cut short ({reason(error)}); copy or save the {_kind(path)} again"
        ) from error
    return Weights(tensors, config if isinstance(config, dict) else None)


def check_fit(path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], config_file: str) -> None:
    """Checks names, shapes and types.

    Args:
        path: of the weights, for messages
        tensors: what it holds
        expected: tensors of the right shapes and types, by name
        config_file: what describes them, for messages

    Raises:
        CheckpointError: there are other tensors than those expected
    """
    wrong = [f"{name}: missing" for name in expected if name not in tensors]
    wrong += [f"{name}: not part of this {_kind(path)}" for name in tensors if name not in expected]
    for name, tensor in expected.items():
        actual = tensors.get(name)
        if actual is not None and actual.shape != tensor.shape:
            wrong.append(f"{name}: {tuple(actual.shape)}, expected {tuple(tensor.shape)}")
        elif actual is not None and actual.is_floating_point() != tensor.is_floating_point():
            wrong.append(f"{name}: {actual.dtype}, expected {tensor.dtype}")
    if wrong:
        raise CheckpointError(f"{path}: its weights don't fit {config_file}; copy both files again\n{listing(wrong)}")


def check_values(path: Path, tensors: Mapping[str, Tensor], saved: str | None) -> None:
    """Checks that the values are those that were saved, and numbers.

    Args:
        path: of the weights, for messages
        tensors: what it holds
        saved: fingerprint of the tensors that were saved; None if that isn't known

    Raises:
        CheckpointError: a value has changed since, or is NaN or infinite
    """
    if saved is not None and fingerprint(tensors) != saved:
        raise CheckpointError(
            f"{path}: damaged, or not the weights that its config was saved with (their fingerprint is another one); "
            f"copy or save the {_kind(path)} again, both files"
        )
    broken = [name for name, tensor in tensors.items() if not _finite(tensor)]
    if broken:
        cause = "as they were saved: the training diverged" if saved is not None else "the training diverged, or damage"
        raise CheckpointError(
            f"{path}: weights that are NaN, infinite or beyond 1e19 ({cause}); train again with a lower learning "
            f"rate, or take an earlier {_kind(path)}\n{listing(broken)}"
        )


def _finite(tensor: Tensor) -> bool:
    """Whether all values are numbers, and none is so large (above 1e19) that its square isn't."""
    if not tensor.is_floating_point():
        return True
    return math.isfinite(torch.linalg.vector_norm(tensor.float()))  # a tenth of the time of isfinite


def reason(error: Exception) -> str:
    """An error's own words, in one line and without end."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]} ..."


def _kind(path: Path) -> str:
    return path.stem  # "model" or "adapter"
