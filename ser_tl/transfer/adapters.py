"""Adapters as checkpoints: all weights that a training has changed, without the frozen encoder.

    save_adapter(model, folder) -> adapter.json, adapter.safetensors      load_adapter(folder, base) -> EmotionModel
    merge_adapter(model): the same model, its adapters merged into a copy of the encoder

An adapter's folder holds the adapters and everything above the encoder: the statistics, layer mix, pooling and head
too. The encoder is identified by its name and a fingerprint of its weights: on another one, adapters would compute
something else without any error. Models loaded on the same encoder share its weights, which takes its memory once.
Independent of training.
"""

import copy
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ser_tl.encoders import FAMILIES, Encoder, load_encoder
from ser_tl.encoders.fingerprint import fingerprint
from ser_tl.errors import CheckpointError, ConfigError, SerTlError
from ser_tl.model import EmotionModel
from ser_tl.model.description import check_description, limit_parameters
from ser_tl.model.peft_state import adapted_layers, added_state, base_state, merge_layer
from ser_tl.model.serialization import ADAPTER, SavedFolder, model_folder, read_folder, write_folder
from ser_tl.model.weights import reason
from ser_tl.transfer.adapter_targets import Adapters


@dataclass(frozen=True)
class BaseEncoder:
    """The encoder that adapters were trained on.

    Args:
        name: what it was loaded as
        family: its name in `FAMILIES`
        config: architecture and settings
        fingerprint: of its weights
    """

    name: str
    family: str
    config: dict[str, Any]
    fingerprint: str


def save_adapter(model: EmotionModel, folder: str | Path) -> Path:
    """Writes adapter.json and adapter.safetensors. Both are whole or not there, wherever the process is killed.

    Args:
        model: a model with adapters
        folder: made if it isn't there

    Returns:
        The file of the weights.

    Raises:
        ConfigError: the model has no adapters
    """
    adapters = Adapters.of(model.encoder)
    if adapters is None:
        raise ConfigError("the model has no adapters (`strategy` lora trains some): save_pretrained saves all of it")
    config = model.description
    config["encoder"]["fingerprint"] = fingerprint(base_state(model.encoder))
    write_folder(Path(folder), config | {"adapters": asdict(adapters)}, _portable(model), ADAPTER)
    return Path(folder) / ADAPTER.weights


def load_adapter(
    source: str | Path, base: Encoder | str | Path | None = None, *, revision: str | None = None
) -> EmotionModel:
    """The model that `save_adapter` saved, in evaluation mode.

    Args:
        source: the adapter's folder, or where it was pushed: name/repo, file:///teamhub/name/repo
        base: the encoder it was trained on, or where that can be had, a name, folder or hub id; what it was trained as
            if None. An encoder's weights are shared and frozen, not copied; it may have adapters itself, which stay
            its own
        revision: a branch, tag or commit of a hub; main if None

    Raises:
        CheckpointError: the folder isn't there, isn't an adapter, or is damaged; the base can't be loaded, or isn't
            what the adapter was trained on
        HubError: no such repository or revision, or the hub can't be reached
    """
    folder = model_folder(source, revision)
    saved = read_folder(folder, ADAPTER)
    try:
        wanted, adapters = BaseEncoder(**saved.config["encoder"]), Adapters(**saved.config["adapters"])
    except (KeyError, TypeError) as error:
        source = folder / ADAPTER.config
        raise CheckpointError(f"{source}: not the config of an adapter ({error}); save the adapter again") from error
    check_description(saved.config, folder / ADAPTER.config)
    encoder = base if isinstance(base, Encoder) else _load_base(folder, wanted, str(base or wanted.name))
    _check_base(folder, wanted, encoder)
    model = EmotionModel.from_saved(saved, _copy_sharing(encoder))
    _insert(adapters, model.encoder, saved)
    model.load_state_dict(saved.check_weights(_portable(model)), strict=False)
    return model.to(model.device).eval()  # the head goes to where the encoder is


def load_adapters(
    folders: Mapping[str, str | Path], base: Encoder | str | Path | None = None
) -> dict[str, EmotionModel]:
    """Several adapters on one encoder, whose weights are there once: a model for each.

    Args:
        folders: the adapters' folders, by any name
        base: as `load_adapter` takes it; what the first was trained as if None

    Raises:
        CheckpointError: as `load_adapter` does
    """
    models: dict[str, EmotionModel] = {}
    for name, folder in folders.items():
        models[name] = load_adapter(folder, base)
        base = models[name].encoder
    return models


def merge_adapter(model: EmotionModel) -> EmotionModel:
    """Merges the model's adapters into copied weights; other models on the same encoder stay as they were.

    Returns:
        The same model, which computes the same without adapters.

    Raises:
        ConfigError: the model has no adapters
    """
    if not adapted_layers(model.encoder):
        raise ConfigError("the model has no adapters that could be merged")
    _take_out(model.encoder, merge_layer)
    return model


def _insert(adapters: Adapters, encoder: Encoder, saved: SavedFolder) -> None:
    source = saved.folder / ADAPTER.config
    try:
        with limit_parameters(source, [*saved.weights.values(), *encoder.parameters()]):
            adapters.insert(encoder)
    except CheckpointError:
        raise
    except Exception as error:  # peft raises errors of all kinds where a value is none for it
        raise CheckpointError(
            f"{source}: its adapters can't be put into the encoder ({type(error).__name__}: {reason(error)}); save the "
            f"adapter again"
        ) from error


def _portable(model: EmotionModel) -> dict[str, Tensor]:
    """All of the model's state but the base encoder's."""
    added = added_state(model)
    state = model.state_dict()
    return {name: tensor for name, tensor in state.items() if name in added or not name.startswith("encoder.")}


def _copy_sharing(encoder: Encoder) -> Encoder:
    """The same encoder without adapters, with modules of its own and the very same weights."""
    weights = [*encoder.parameters(), *encoder.buffers()]
    shared = copy.deepcopy(encoder, {id(tensor): tensor for tensor in weights})
    _take_out(shared, lambda layer: layer.get_base_layer())
    return shared


def _take_out(encoder: Encoder, plain: Callable[[Any], nn.Module]) -> None:
    """Puts a plain layer in the place of each that has adapters."""
    for name, layer in adapted_layers(encoder).items():
        encoder.set_submodule(name, plain(layer))
    vars(encoder).pop("peft_config", None)  # peft's own record


def _load_base(folder: Path, wanted: BaseEncoder, source: str) -> Encoder:
    parameters = inspect.signature(FAMILIES[wanted.family].from_pretrained).parameters
    given = {"layers"} if wanted.family == "fused" else set(parameters) - {"source"}
    options = {name: value for name, value in wanted.config.items() if name in given}
    try:
        return load_encoder(source, **options)
    except SerTlError as error:
        raise CheckpointError(
            f"{folder}: the encoder it was trained on can't be loaded ({error}): pass that encoder, or the place where "
            f"it is now, as load_adapter(folder, base)"
        ) from error


def _check_base(folder: Path, wanted: BaseEncoder, encoder: Encoder) -> None:
    actual: dict[str, Any] = {"family": encoder.family, "settings": _collect_settings(encoder.config)}
    expected: dict[str, Any] = {"family": wanted.family, "settings": _collect_settings(wanted.config)}
    if actual == expected:
        actual, expected = {"fingerprint": fingerprint(base_state(encoder))}, {"fingerprint": wanted.fingerprint}
    if actual != expected:
        raise CheckpointError(
            f"{folder}: trained on another encoder, and this one's states mean something else: expected "
            f"{wanted.name!r} with {expected}, found {actual}; pass the encoder it was trained on, as "
            f"load_adapter(folder, base)"
        )


def _collect_settings(config: dict[str, Any]) -> dict[str, Any]:
    """What of an encoder's config its weights don't tell. transformers writes its own part anew in each version."""
    keep = lambda part: {name: value for name, value in part.items() if name != "architecture"}  # noqa: E731
    return json.loads(json.dumps(config), object_hook=keep)
