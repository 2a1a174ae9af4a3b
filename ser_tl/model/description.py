"""Checks a model's description, which may come from a damaged or hand-written file, and builds its encoder.

    config.json --check_description()--> or what is wrong with it       --build_encoder(description, limit)--> Encoder

Values are checked by the types of the dataclasses that they fill. What an encoder's own config may hold is for its
family to say, and a number in it may ask for terabytes: building stops at the size that the weights have.
"""

import threading
import types
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from ser_tl.data.audio_config import AudioConfig
from ser_tl.encoders import FAMILIES, Encoder
from ser_tl.errors import CheckpointError, UnknownNameError
from ser_tl.model.model_config import ModelConfig
from ser_tl.model.weights import reason
from ser_tl.modules.networks import NETWORKS
from ser_tl.modules.pooling import POOLINGS
from ser_tl.registry import Registry

_SLACK = 2**20  # parameters that an encoder makes and doesn't keep, such as the embedding of masked frames


def check_description(config: Mapping[str, Any], source: Path) -> None:
    """Checks what can be checked before anything is built.

    Args:
        config: a model's `description`
        source: where it was read, for messages

    Raises:
        CheckpointError: something is missing, of another type, or a name that nothing is registered under
    """
    names = list[str]
    kinds: dict[str, Any] = {
        "labels": names,
        "dimensions": names,
        "audio": dict,
        "encoder": dict,
        "pooling": str,
        "model": dict,
    }
    try:
        encoder = config["encoder"]
        for name, kind in kinds.items():
            _check_type(name, config.get(name, []) if name == "dimensions" else config[name], kind)
        for name, kind in {"name": str, "family": str, "config": dict}.items():
            _check_type(f"encoder.{name}", encoder[name], kind)
        if not _is_outlier_sizes(config.get("outliers")):
            raise TypeError(f"outliers is {config['outliers']!r:.80}: expected numbers of directions, or null")
        ranges = config.get("activation_ranges") or {}
        if not isinstance(ranges, dict) or not all(map(_is_range, ranges.values())):
            raise TypeError(f"activation_ranges is {ranges!r:.80}: expected two numbers a layer")
        if not _is_stitching(config.get("stitching")):
            raise TypeError(f"stitching is {config['stitching']!r:.80}: expected hop and context in seconds, or null")
        _check_fields("audio", config["audio"], AudioConfig)
        _check_fields("model", config["model"], ModelConfig)
    except (KeyError, TypeError) as error:
        raise _no_description(source, error) from error
    _check_registered(config["encoder"]["family"], FAMILIES, source)
    _check_registered(config["pooling"], POOLINGS, source)
    network = config["model"].get("network", "none")
    if network != "none":
        _check_registered(network, NETWORKS, source)


def _is_range(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether a value is the range of a layer's input: two numbers, zero between them."""
    pair = isinstance(value, list | tuple) and len(value) == 2
    return pair and all(isinstance(limit, int | float) for limit in value) and value[0] <= 0 <= value[1]


def _is_outlier_sizes(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether a value is the sizes of an outlier score, or none."""
    sizes = value if isinstance(value, dict) else {"rank": value, "axes": 1}
    numbers = all(type(size) is int and 0 < size < 1e4 for size in sizes.values())
    return value is None or (numbers and set(sizes) == {"rank", "axes"})


def _is_stitching(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether a value is the pieces of a stitched model, or none."""
    if not isinstance(value, dict) or set(value) != {"hop", "context"}:
        return value is None
    numbers = all(isinstance(seconds, int | float) and not isinstance(seconds, bool) for seconds in value.values())
    return numbers and 0.1 <= value["hop"] <= 10 and 0 <= value["context"] <= 10


def build_encoder(config: Mapping[str, Any], source: Path, weights: Iterable[Tensor]) -> Encoder:
    """The described encoder, with random weights.

    Args:
        config: a model's `description`, checked
        source: where it was read, for messages
        weights: of the model; an encoder that is much larger than they are is not built

    Raises:
        CheckpointError: no such encoder can be built
    """
    family, encoder_config = config["encoder"]["family"], config["encoder"]["config"]
    try:
        with limit_parameters(source, weights):
            return FAMILIES[family].from_config(encoder_config)
    except CheckpointError:
        raise
    except UnknownNameError as error:
        raise _unregistered(source, error) from error
    except Exception as error:  # transformers and torch raise errors of all kinds where a value is none for them
        raise CheckpointError(
            f"{source}: not the config of a ser_tl model (no {family} encoder can be built of encoder.config: "
            f"{type(error).__name__}: {reason(error)}); save the model again"
        ) from error


@contextmanager
def limit_parameters(source: Path, weights: Iterable[Tensor]) -> Generator[None]:
    """Stops this thread from building modules that are much larger than some weights.

    Torch reserves memory without touching it: stopped when a parameter gets its name, before it gets its values,
    numbers of any size in a damaged config cost nothing.

    Raises:
        CheckpointError: in the block, when it is reached
    """
    limit, thread, count_made = 2 * sum(tensor.numel() for tensor in weights) + _SLACK, threading.get_ident(), 0

    def count(_: nn.Module, name: str, parameter: Tensor | None) -> None:
        nonlocal count_made
        if threading.get_ident() != thread or parameter is None:
            return
        count_made += parameter.numel() + 1  # none is free, so that countless empty ones end as well
        if count_made > limit:
            raise CheckpointError(
                f"{source}: describes a model of more than {limit:,} parameters (at {name!r}), which its weights don't "
                f"fit; save the model again"
            )

    handle = torch_module.register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def _check_registered(name: str, registry: Registry[Any], source: Path) -> None:
    try:
        registry[name]
    except UnknownNameError as error:
        raise _unregistered(source, error) from error


def _unregistered(source: Path, error: UnknownNameError) -> CheckpointError:
    return CheckpointError(
        f"{source}: not the config of a ser_tl model that can be built here ({error}): if a plug-in registers that "
        f"name, install it and import it before the model is loaded; else update ser_tl"
    )


def _no_description(source: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{source}: not the config of a ser_tl model ({error}); save the model again")


def _check_fields(part: str, values: Mapping[str, Any], kind: type[Any]) -> None:
    hints = get_type_hints(kind)
    expected = {field.name for field in fields(kind)}
    unknown = sorted(set(values) - expected)
    if unknown:
        raise TypeError(f"{part} has no {', '.join(unknown)}: it has {', '.join(sorted(expected))}")
    for name, value in values.items():
        _check_type(f"{part}.{name}", value, hints[name])


def _check_type(name: str, value: Any, kind: Any) -> None:  # noqa: ANN401
    if not _has_type(value, kind):
        expected = getattr(kind, "__name__", None) if get_origin(kind) is None else str(kind)
        raise TypeError(f"{name} is {value!r:.80}: expected {expected}")


def _has_type(value: Any, kind: Any) -> bool:  # noqa: ANN401
    """Whether a value of JSON is one of a field's type."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin in (Union, types.UnionType):
        return any(_has_type(value, member) for member in inner)
    if origin is list:
        return isinstance(value, list) and all(_has_type(member, inner[0]) for member in value)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)
