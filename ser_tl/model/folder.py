"""A model as a folder: config.json and model.safetensors, whole or not there.

    write_folder(folder, config, weights)      read_config(folder) -> config      load_weights(module, folder)
    model_folder("name/repo" or a folder) -> folder

The config says how to build the model, the weights are all of it, the encoder's too: it loads without network and
without the encoder's own folder. A folder that is shared also has ser_tl_remote.py and preprocessor_config.json, for
transformers' pipeline. Knows files and their damages, and nothing of what a model is.
"""

import filecmp
import json
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.errors import CheckpointError, HubError, listing
from ser_tl.hub import Address, is_repository, pull_folder

FORMAT = 2
"""Version of the folder's layout; another one is refused."""

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"

REMOTE_FILE = "ser_tl_remote.py"
EXTRACTOR_FILE = "preprocessor_config.json"
_FOR_TRANSFORMERS = {
    "model_type": "ser_tl",
    "architectures": ["SerTlForAudioClassification"],
    "auto_map": {
        "AutoConfig": "ser_tl_remote.SerTlConfig",
        "AutoModelForAudioClassification": "ser_tl_remote.SerTlForAudioClassification",
    },
}
_EXTRACTOR = {
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
    "feature_size": 1,
    "sampling_rate": SAMPLE_RATE,
    "do_normalize": False,  # the encoder's own front end does what it needs
    "return_attention_mask": True,
}


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
    text = json.dumps({"format": FORMAT} | config | _FOR_TRANSFORMERS, indent=2) + "\n"
    (folder / f"{CONFIG_FILE}.part").write_text(text, encoding="utf-8")
    (folder / f"{CONFIG_FILE}.part").replace(folder / CONFIG_FILE)


def write_remote(folder: Path) -> None:
    """Adds what lets transformers' pipeline load the folder with trust_remote_code=True, where ser_tl is installed."""
    shutil.copyfile(Path(__file__).with_name("remote.py"), folder / REMOTE_FILE)
    (folder / EXTRACTOR_FILE).write_text(json.dumps(_EXTRACTOR, indent=2) + "\n", encoding="utf-8")


def model_folder(source: str | Path, revision: str | None = None, token: str | None = None) -> Path:
    """The folder that a source means: itself, or a version of a hub's repository, which is fetched where needed.

    Args:
        source: a folder, or (as text) the address of a repository
        revision: a branch, tag or commit of a repository
        token: for a hub

    Raises:
        CheckpointError: a revision of a folder that has none
        HubError: no such repository or revision, or the hub can't be reached
    """
    path, text = Path(source), str(source)
    if path.is_dir() and not is_repository(path):
        if revision is not None:
            raise CheckpointError(f"{source}: a plain folder has no revision {revision!r}: leave it out")
        return path
    try:
        address = Address.read(text)
    except HubError:
        if text.startswith("file:"):
            raise
        return path  # `read_config` tells what is missing there
    if address.folder is None and isinstance(source, str):
        try:
            return pull_folder(text, revision=revision, token=token)
        except HubError as error:
            raise HubError(f"{text}: no such folder here; and on the hub, {error}") from error
    if address.folder is not None and (text.startswith("file:") or is_repository(address.folder)):
        return pull_folder(text, revision=revision, token=token)
    return path


def carry_over(source: Path | None, folder: Path) -> bool:
    """Copies what lies beside a model (card, picture) to a folder that holds the very same model.

    Returns:
        Whether that is the case, and a card was there.
    """
    if source is None or not _same_model(source, folder):
        return False
    for path in source.iterdir():
        if path.is_file() and not (folder / path.name).exists():
            shutil.copyfile(path, folder / path.name)
    return (folder / "README.md").is_file()


def _same_model(one: Path, other: Path) -> bool:
    weights = [folder / WEIGHTS_FILE for folder in (one, other)]
    if not all(path.is_file() for path in weights) or not filecmp.cmp(*weights, shallow=False):
        return False
    configs = [read_config(folder) for folder in (one, other)]
    # Not the encoder's: transformers fills in values of its own when it reads one.
    return all(configs[0][key] == configs[1][key] for key in ("labels", "audio", "pooling", "model", "known_speakers"))


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
