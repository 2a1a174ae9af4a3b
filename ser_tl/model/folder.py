"""A model, or an adapter, as a folder: a JSON file and a safetensors file, whole or not there.

    write_folder(folder, config, weights)    read_config(folder) -> config    read_weights(folder, expected) -> weights
    model_folder("name/repo" or a folder) -> folder

A model's config says how to build it and its weights are all of it, the encoder's too: it loads without network and
without the encoder's own folder. An adapter holds all but the encoder. A folder that is shared also has
ser_tl_remote.py and preprocessor_config.json, for transformers' pipeline. Knows files and their damages, and nothing of
what a model is.
"""

import filecmp
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.errors import CheckpointError, HubError, listing
from ser_tl.hub import Address, is_repository, pull_folder

FORMAT = 2
"""Version of a model's folder; another one is refused."""

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
EXPORT_FILE = "ser_tl_export.json"  # as in `inference.manifest`: what such a folder is gets said here

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


@dataclass(frozen=True)
class Layout:
    """What kind of folder it is.

    Args:
        kind: what lies there, in the singular, for messages
        format: version of the layout; another one is refused
        config: name of the JSON file
        weights: name of the safetensors file
        loader: what loads it, for messages
        extra: what else stands in the JSON file
    """

    kind: str
    format: int
    config: str
    weights: str
    loader: str
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def one(self) -> str:
        """The kind with its article."""
        return f"{'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"


MODEL = Layout("model", FORMAT, CONFIG_FILE, WEIGHTS_FILE, "EmotionModel.from_pretrained", _FOR_TRANSFORMERS)
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
    text = json.dumps({"format": layout.format} | config | layout.extra, indent=2) + "\n"
    (folder / f"{layout.config}.part").write_text(text, encoding="utf-8")
    (folder / f"{layout.config}.part").replace(folder / layout.config)


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
    keys = ("labels", "dimensions", "audio", "pooling", "model", "known_speakers")
    return all(configs[0].get(key) == configs[1].get(key) for key in keys)


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
    if (folder / EXPORT_FILE).is_file():
        return (
            "this is an exported model, which predicts (ser_tl.Predictor, ser-tl predict) and can't be trained: train "
            "or evaluate the saved model that it was made of"
        )
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
