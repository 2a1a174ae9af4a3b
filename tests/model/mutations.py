"""Damages of a folder with a JSON and a safetensors file: of values, of structure, of bytes; the same each time."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

Damage = Callable[[Path], None]

VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    3,
    10**6,
    10**12,
    10**30,
    0.5,
    -2.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "gelu_new",
    "../../etc/passwd",
    "\ud800",
    [],
    [1],
    [[]],
    ["a", "a"],
    [-3, 10**9],
    {},
    {"a": 1},
]


def paths_in(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The path of every value in some JSON."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from paths_in(one, (*path, key))


def at(value: Any, path: tuple) -> Any:
    for key in path:
        value = value[key]
    return value


def json_damages(config: dict[str, Any], count: int, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Configs each of which differs in one place: a value replaced, an entry gone, doubled, renamed or moved."""
    draw, places = random.Random(seed), list(paths_in(config))
    shallow = [path for path in places if len(path) <= 2]
    for _ in range(count):
        changed = copy.deepcopy(config)
        path = draw.choice(shallow if draw.random() < 0.5 else places)
        holder, key = at(changed, path[:-1]), path[-1]
        kind = draw.choice(["value", "value", "value", "value", "gone", "renamed", "swapped"])
        if kind == "gone":
            del holder[key]
        elif kind == "renamed" and isinstance(holder, dict):
            holder[f"{key}x"] = holder.pop(key)
        elif kind == "swapped":
            holder[key] = copy.deepcopy(at(config, draw.choice(places)))
        else:
            holder[key] = draw.choice(VALUES)
        yield (
            f"{kind} {'.'.join(map(str, path))} = {holder.get(key) if isinstance(holder, dict) else holder!r:.60}",
            changed,
        )


def text_damages(text: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """A JSON file cut short, with bytes changed, or of another kind altogether."""
    draw = random.Random(seed)
    for other in (
        b"",
        b"null",
        b"[]",
        b"0",
        b"[" * 100_000,
        b"\xff\xfe{",
        b"\x00" * 99,
        b"\xef\xbb\xbf" + text,
        text * 2,
    ):
        yield f"text {other[:9]!r}", other
    for _ in range(count):
        place = draw.randrange(len(text))
        yield f"cut at {place}", text[:place]
        place, byte = draw.randrange(len(text)), draw.randrange(256)
        yield f"byte {place} = {byte}", text[:place] + bytes([byte]) + text[place + 1 :]


def weight_damages(path: Path, count: int, seed: int) -> Iterator[tuple[str, Damage]]:
    """A safetensors file with bytes, header, values, shapes, names or types changed."""
    draw, raw = random.Random(seed), path.read_bytes()
    length = int.from_bytes(raw[:8], "little")
    for size in (0, 2**30, 2**63 - 1, 2**64 - 1, length - 1, length + 1, len(raw)):
        yield f"header of {size}", lambda at, size=size: at.write_bytes(size.to_bytes(8, "little") + raw[8:])
    for other in (b"", b"\x80\x04}.", b"PK\x03\x04", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"):
        yield f"file {other[:8]!r}", lambda at, other=other: at.write_bytes(other)
    for _ in range(count):
        place = draw.choice(
            [draw.randrange(8 + length), draw.randrange(len(raw)), draw.randrange(8 + length, len(raw))]
        )
        bit = 1 << draw.randrange(8)
        yield (
            f"bit {place}",
            lambda at, i=place, bit=bit: at.write_bytes(raw[:i] + bytes([raw[i] ^ bit]) + raw[i + 1 :]),
        )
    for _ in range(count // 4):
        place = draw.randrange(len(raw))
        yield f"cut at {place}", lambda at, place=place: at.write_bytes(raw[:place])
    names = sorted(load_file(path))
    for _ in range(count // 2):
        name, other = draw.choice(names), draw.choice(names)
        change = draw.choice(list(TENSOR_CHANGES))
        yield f"{change} {name}", lambda at, name=name, other=other, change=change: _resave(at, name, other, change)


def _resave(path: Path, name: str, other: str, change: str) -> None:
    """Saves the file again with a tensor changed and its metadata kept, as a tool does that knows of them."""
    raw = path.read_bytes()
    metadata = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")]).get("__metadata__")
    tensors = {key: tensor.clone() for key, tensor in load_file(path).items()}
    TENSOR_CHANGES[change](tensors, name, other)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata=metadata)


def _fill(value: float) -> Callable[[dict[str, torch.Tensor], str, str], None]:
    def change(tensors: dict[str, torch.Tensor], name: str, other: str) -> None:
        if tensors[name].is_floating_point() and tensors[name].numel():
            tensors[name].view(-1)[-1] = value
        else:
            tensors[name] = tensors[name].float() + value

    return change


TENSOR_CHANGES: dict[str, Callable[[dict[str, torch.Tensor], str, str], Any]] = {
    "nan in": _fill(float("nan")),
    "inf in": _fill(float("inf")),
    "-inf in": _fill(-float("inf")),
    "huge in": _fill(3e38),
    "no": lambda tensors, name, other: tensors.pop(name),
    "another": lambda tensors, name, other: tensors.update(more=torch.zeros(2)),
    "renamed": lambda tensors, name, other: tensors.update({f"{name}x": tensors.pop(name)}),
    "swapped": lambda tensors, name, other: tensors.update({name: tensors[other], other: tensors[name]}),
    "flat": lambda tensors, name, other: tensors.update({name: tensors[name].reshape(-1)}),
    "empty": lambda tensors, name, other: tensors.update({name: torch.zeros(0)}),
    "integers": lambda tensors, name, other: tensors.update({name: tensors[name].int()}),
    "half": lambda tensors, name, other: tensors.update({name: tensors[name].half()}),
    "double": lambda tensors, name, other: tensors.update({name: tensors[name].double()}),
    "bits": lambda tensors, name, other: tensors.update({name: tensors[name] > 0}),
}


def noise(samples: int) -> np.ndarray:
    """A recording."""
    return (0.1 * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)
