"""A model, or an adapter, as a folder: a JSON file and a safetensors file, whole or not there.

    write_folder(folder, config, weights)    read_config(folder) -> config    read_weights(folder, expected) -> weights

A model's config says how to build it and its weights are all of it, the encoder's too: it loads without network and
without the encoder's own folder. An adapter holds all but the encoder. Knows files and their damages, and nothing of
what a model is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ser_tl.errors import CheckpointError, listing

FORMAT = 2
"""Version of a model's folder; another one is refused."""

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


@dataclass(frozen=True)
class Layout:
    """What kind of folder it is.

    Args:
        kind: what lies there, in the singular, for messages
        format: version of the layout; another one is refused
        config: name of the JSON file
        weights: name of the safetensors file
        loader: what loads it, for messages
    """

    kind: str
    format: int
    config: str
    weights: str
    loader: str

    @property
    def one(self) -> str:
        """The kind with its article."""
        return f"{'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"


MODEL = Layout("model", FORMAT, CONFIG_FILE, WEIGHTS_FILE, "EmotionModel.from_pretrained")
ADAPTER = Layout("adapter", 1, "adapter.json", "adapter.safetensors", "load_adapter")


def write_folder(folder: Path, config: dict[str, Any], weights: Mapping[str, Tensor], layout: Layout = MODEL) -> None:
    """Writes both files. Each is whole or not there, wherever the process is killed.

    Args:
        folder: made if it isn't there
        config: as JSON, without the format
        weights: by name
        layout: names of the files
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    save_file(tensors, folder / f"{layout.weights}.part", metadata={"format": "pt"})
    (folder / f"{layout.weights}.part").replace(folder / layout.weights)
    text = json.dumps({"format": layout.format} | config, indent=2) + "\n"
    (folder / f"{layout.config}.part").write_text(text, encoding="utf-8")
    (folder / f"{layout.config}.part").replace(folder / layout.config)


def read_config(folder: Path, layout: Layout = MODEL) -> dict[str, Any]:
    """The config that `write_folder` was given.

    Raises:
        CheckpointError: the folder isn't there, isn't of this kind, is damaged, or of another format
    """
    missing = [name for name in (layout.config, layout.weights) if not (folder / name).is_file()]
    if missing:
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) if folder.is_dir() else "no such folder"
        lacks = f"no {layout.kind} here, {' and '.join(missing)} missing"
        raise CheckpointError(f"{folder}: {lacks} (found: {found}): {_hint(folder, layout)}")
    try:
        config = json.loads((folder / layout.config).read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"{folder / layout.config}: damaged, not JSON ({error}); save the {layout.kind} again"
        ) from error
    if not isinstance(config, dict) or config.get("format") != layout.format:
        version = config.get("format") if isinstance(config, dict) else None
        way_out = (
            "update ser_tl, or use the version that saved it" if version else f"this is not {layout.one} of ser_tl"
        )
        raise CheckpointError(
            f"{folder / layout.config}: format {version!r}, this version of ser_tl reads {layout.format}: {way_out}"
        )
    return config


def _hint(folder: Path, layout: Layout) -> str:
    other = ADAPTER if layout == MODEL else MODEL
    if all((folder / name).is_file() for name in (other.config, other.weights)):
        return f"this is {other.one}, which {other.loader} loads"
    if (folder / layout.kind / layout.config).is_file():
        return f"this is a run's folder, its {layout.kind} is {folder / layout.kind}"
    return "pass a folder that a recipe saved"


def read_weights(folder: Path, expected: Mapping[str, Tensor], layout: Layout = MODEL) -> dict[str, Tensor]:
    """The folder's weights, which are those that are expected and no others.

    Args:
        folder: the folder
        expected: tensors of the right shapes, by name
        layout: names of the files

    Raises:
        CheckpointError: the file is damaged or holds other weights
    """
    path = folder / layout.weights
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: damaged or cut short ({error}); copy or save the {layout.kind} again"
        ) from error
    wrong = [f"{name}: missing" for name in expected if name not in weights]
    wrong += [f"{name}: not part of this {layout.kind}" for name in weights if name not in expected]
    wrong += [
        f"{name}: {tuple(weights[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if wrong:
        raise CheckpointError(f"{path}: its weights don't fit {layout.config}; copy both files again\n{listing(wrong)}")
    return weights
