"""A model as a folder: config.json and model.safetensors, whole or not there.

    write_folder(folder, config, weights)      read_config(folder) -> config      load_weights(module, folder)

The config says how to build the model, the weights are all of it, the encoder's too: it loads without network and
without the encoder's own folder. Knows files and their damages, and nothing of what a model is.
"""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from ser_tl.errors import CheckpointError, listing

FORMAT = 2
"""Version of the folder's layout; another one is refused."""

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


def write_folder(folder: Path, config: dict[str, Any], module: nn.Module) -> None:
    """Writes both files. Each is whole or not there, wherever the process is killed.

    Args:
        folder: made if it isn't there
        config: as JSON, without the format
        module: whose state is saved
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    save_file(weights, folder / f"{WEIGHTS_FILE}.part", metadata={"format": "pt"})
    (folder / f"{WEIGHTS_FILE}.part").replace(folder / WEIGHTS_FILE)
    text = json.dumps({"format": FORMAT} | config, indent=2) + "\n"
    (folder / f"{CONFIG_FILE}.part").write_text(text, encoding="utf-8")
    (folder / f"{CONFIG_FILE}.part").replace(folder / CONFIG_FILE)


def read_config(folder: Path) -> dict[str, Any]:
    """The config that `write_folder` was given.

    Raises:
        CheckpointError: the folder isn't there, isn't a model, is damaged, or of another format
    """
    missing = [name for name in (CONFIG_FILE, WEIGHTS_FILE) if not (folder / name).is_file()]
    if missing:
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) if folder.is_dir() else "no such folder"
        run = (folder / "model" / CONFIG_FILE).is_file()
        hint = (
            f"this is a run's folder, its model is {folder / 'model'}" if run else "pass a folder that a recipe saved"
        )
        raise CheckpointError(f"{folder}: no model here, {' and '.join(missing)} missing (found: {found}): {hint}")
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{folder / CONFIG_FILE}: damaged, not JSON ({error}); save the model again") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        version = config.get("format") if isinstance(config, dict) else None
        way_out = "update ser_tl, or use the version that saved it" if version else "this is not a model of ser_tl"
        raise CheckpointError(
            f"{folder / CONFIG_FILE}: format {version!r}, this version of ser_tl reads {FORMAT}: {way_out}"
        )
    return config


def load_weights(module: nn.Module, folder: Path) -> None:
    """Puts the folder's weights into a module, all of them and no others.

    Raises:
        CheckpointError: the file is damaged or doesn't fit the module
    """
    path = folder / WEIGHTS_FILE
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path}: damaged or cut short ({error}); copy or save the model again") from error
    expected = module.state_dict()
    wrong = [f"{name}: missing" for name in expected if name not in weights]
    wrong += [f"{name}: not part of this model" for name in weights if name not in expected]
    wrong += [
        f"{name}: {tuple(weights[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if wrong:
        raise CheckpointError(f"{path}: its weights don't fit config.json; copy both files again\n{listing(wrong)}")
    module.load_state_dict(weights)
