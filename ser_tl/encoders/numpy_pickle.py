"""Reading a pickled dict of numpy arrays without running what a pickle can ask for.

    .npy file --header--> pickle --restricted unpickler--> {layer: {name: array}}

Some published weights exist only as a pickle inside a .npy file. A pickle is a program: it may name any function and
have it called. Here three names are known, those that numpy writes for an array, and each stands for a class of this
module that does nothing but check and keep its arguments; numpy's own reconstruction, which trusts what it is given,
is never called. Whatever else the file names is refused before it is imported. Independent of the weights' meaning.
"""

from pathlib import Path
from pickle import Unpickler, UnpicklingError
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from ser_tl.errors import EncoderError

NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
"""Numpy's codes of what an array may hold."""


def read_arrays(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """The arrays of a .npy file that holds one pickled dict of dicts of arrays.

    Raises:
        EncoderError: no such file, no .npy file, damaged, or it holds anything but arrays of numbers
    """
    try:
        with path.open("rb") as file:
            _skip_header(file)
            return _arrays(_ArrayUnpickler(file, encoding="latin1").load())  # latin1: how Python 2's bytes come in
    except FileNotFoundError:
        raise EncoderError(f"encoder {path}: no such file") from None
    except Exception as error:  # a damaged pickle can fail anywhere in the unpickler, with any error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise EncoderError(
            f"encoder {path}: this file can't be read ({reason}). Expected a .npy file with "
            f"a pickled dict of dicts of arrays, and nothing else in it: download it again"
        ) from error


def _skip_header(file: BinaryIO) -> None:
    version = npy.read_magic(file)
    shape, _, dtype = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
    if not dtype.hasobject or shape != ():
        raise ValueError(f"an array of {dtype} with shape {shape}, not one pickled object")


class _Kind:
    """Stands for numpy.dtype: the kind of number that an array holds, or `object`.

    Args:
        code: numpy's, without byte order
        flags: whether to align and to copy, without meaning for numbers
    """

    def __init__(self, code: str, *_flags: object) -> None:
        if code not in (*NUMBERS, "O", "O8"):
            raise UnpicklingError(f"an array of {code!r} is none of numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Takes the byte order; the rest of the state describes compound types."""
        if state[1] not in ("<", ">", "|"):
            raise UnpicklingError(f"an array's byte order is {state[1]!r}")
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands for numpy.ndarray and for what makes an empty one of it, to be filled by the state.

    Args:
        empty: its class, shape and code, the same for every array
    """

    def __init__(self, *_empty: object) -> None:
        self.value: Any = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Takes version, shape, kind, order and content: bytes, or a list where the kind is `object`."""
        _, shape, kind, column_major, content = state
        if kind.dtype == object:
            (self.value,) = content
            return
        content = content.encode("latin1") if isinstance(content, str) else content
        flat = np.frombuffer(content, kind.dtype)
        self.value = flat.reshape(shape, order="F" if column_major else "C").astype(kind.dtype.newbyteorder("="))


class _ArrayUnpickler(Unpickler):
    """An unpickler that accepts the names which numpy writes for an array, and no other."""

    def find_class(self, module_name: str, global_name: str, /) -> type[_Array | _Kind]:
        """What stands for a name of the pickle; nothing is imported."""
        match module_name, global_name:
            case "numpy", "dtype":
                return _Kind
            case ("numpy", "ndarray") | ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct"):
                return _Array
        raise UnpicklingError(f"it asks for {module_name}.{global_name}, which is no part of an array")


def _arrays(content: object) -> dict[str, dict[str, np.ndarray]]:
    """The dicts with arrays in the place of what stood for them."""
    layers = content.value if isinstance(content, _Array) else None
    if not isinstance(layers, dict) or not all(isinstance(layer, dict) for layer in layers.values()):
        raise UnpicklingError("what is pickled is no dict of dicts")
    for layer in layers.values():
        for name, array in layer.items():
            if not isinstance(array, _Array) or not isinstance(array.value, np.ndarray):
                raise UnpicklingError(f"{name!r} is no array")
    return {str(key): {str(name): array.value for name, array in layer.items()} for key, layer in layers.items()}
