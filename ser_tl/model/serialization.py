"""A model, or an adapter, as a folder: a JSON file and a safetensors file, whole or not there.

    write_folder(folder, config, weights)    read_config(folder) -> config    read_weights(folder, expected) -> weights
    model_folder("name/repo" or a folder) -> folder

A model's config says how to build it and its weights are all of it, the encoder's too: it loads without network and
without the encoder's own folder. An adapter holds all but the encoder. A folder that is shared also has
ser_tl_remote.py and preprocessor_config.json, for transformers' pipeline.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.encoders.fingerprint import fingerprint
from ser_tl.encoders.pretrained import EXPORT_FILE
from ser_tl.errors import CheckpointError, HubError, StorageError
from ser_tl.files import write_atomically, write_text
from ser_tl.model.speakers import KnownSpeakers
from ser_tl.model.weights import check_fit, check_values, read_weights, reason, write_weights

FORMAT = 3
"""Version of a model's folder. Since 3 the weights file holds the config too, and speakers are stored as hashes."""

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


@dataclass(frozen=True)
class Layout:
    """What kind of folder it is.

    Args:
        kind: what lies there, in the singular, for messages
        formats: versions of the layout that can be read, the newest, which is written, last
        config: name of the JSON file
        weights: name of the safetensors file
        loader: what loads it, for messages
        extra: what else stands in the JSON file
    """

    kind: str
    formats: tuple[int, ...]
    config: str
    weights: str
    loader: str
    extra: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def with_article(self) -> str:
        """The kind with its article."""
        return f"{'an' if self.kind[0] in 'aeiou' else 'a'} {self.kind}"


MODEL = Layout("model", (2, FORMAT), CONFIG_FILE, WEIGHTS_FILE, "EmotionModel.from_pretrained", _FOR_TRANSFORMERS)
ADAPTER = Layout("adapter", (1, 2), "adapter.json", "adapter.safetensors", "load_adapter")


class SavedFolder(NamedTuple):
    """What a folder holds.

    Attributes:
        folder: where
        layout: names of its files
        config: what `write_folder` was given; of the very model whose weights these are
        weights: by name; not checked yet
        original: the config as it was saved, where the weights file has it: config.json may have been edited since
    """

    folder: Path
    layout: "Layout"
    config: dict[str, Any]
    weights: dict[str, Tensor]
    original: dict[str, Any] | None

    def check_weights(self, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights, which are those expected and no others.

        Args:
            expected: tensors of the right shapes, by name

        Raises:
            CheckpointError: they don't fit the config, aren't what was saved, or aren't numbers; or the config was
                changed where it describes them
        """
        path = self.folder / self.layout.weights
        check_fit(path, self.weights, expected, self.layout.config)
        check_values(path, self.weights, self.config.get("fingerprint"))
        original = self.config if self.original is None else self.original
        for part in _DESCRIBES_WEIGHTS:
            if _fixed_values(original, part) != _fixed_values(self.config, part):
                raise CheckpointError(
                    f"{self.folder / self.layout.config}: its {part} was changed after the {self.layout.kind} was "
                    f"saved, and the weights would compute something else: copy or save the {self.layout.kind} again"
                )
        return self.weights


_DESCRIBES_WEIGHTS = ("dimensions", "encoder", "pooling", "model", "adapters", "outliers", "enrolment", "stitching")
"""What of a config can't be edited. Labels may be renamed, windows made shorter, an encoder's name corrected."""


def _fixed_values(config: Mapping[str, Any], part: str) -> Any:  # noqa: ANN401 - any JSON
    value = config.get(part) or None  # a part that isn't there is an empty one
    return {key: entry for key, entry in value.items() if key != "name"} if isinstance(value, dict) else value


def write_folder(folder: Path, config: dict[str, Any], weights: Mapping[str, Tensor], layout: Layout = MODEL) -> None:
    """Writes both files. Each is whole or not there, wherever the process is killed.

    The weights, with a copy of the config in their file, come first: whoever reads meanwhile gets the model that was
    there before or this one, and of several writers' models one.

    Args:
        folder: made if it isn't there
        config: as JSON, without the format
        weights: by name
        layout: names of the files

    Raises:
        StorageError: they can't be written
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise StorageError(f"{folder}: is a file: a {layout.kind} is a folder; give another name") from error
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    description = {"format": layout.formats[-1]} | config | layout.extra | {"fingerprint": fingerprint(tensors)}
    write_weights(folder / layout.weights, tensors, description)
    write_text(folder / layout.config, json.dumps(description, indent=2) + "\n")


def write_remote(folder: Path) -> None:
    """Adds what lets transformers' pipeline load the folder with trust_remote_code=True, where ser_tl is installed."""
    write_text(folder / REMOTE_FILE, Path(__file__).with_name("modeling_ser_tl.py").read_text(encoding="utf-8"))
    write_text(folder / EXTRACTOR_FILE, json.dumps(_EXTRACTOR, indent=2) + "\n")


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
    from ser_tl.hub import Address, is_repository, pull_folder  # not needed for a model that is at hand

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
        return path  # `read_config` reports what is missing there
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
            with write_atomically(folder / path.name, durable=False) as part:
                shutil.copyfile(path, part)
    return (folder / "README.md").is_file()


def _same_model(first: Path, other: Path) -> bool:
    if not all((folder / WEIGHTS_FILE).is_file() for folder in (first, other)):
        return False
    saved = [read_folder(folder) for folder in (first, other)]
    # Not the encoder's: transformers fills in values of its own when it reads one.
    keys = (
        "labels",
        "dimensions",
        "audio",
        "pooling",
        "model",
        "calibration",
        "outliers",
        "activation_ranges",
        "stitching",
    )
    facts = [
        [
            *(folder.config.get(key) for key in keys),
            KnownSpeakers.from_json(folder.config.get("known_speakers", [])),
            fingerprint(folder.weights),
        ]
        for folder in saved
    ]
    return facts[0] == facts[1]


def read_folder(folder: Path, layout: Layout = MODEL) -> SavedFolder:
    """The config and the weights that `write_folder` was given in one call, whatever is written meanwhile.

    Raises:
        CheckpointError: the folder isn't there, isn't of this kind, is damaged, or of another format
    """
    config = read_config(folder, layout)
    weights, original = read_weights(folder / layout.weights)
    if original is not None and original.get("fingerprint") != config.get("fingerprint"):
        # Another model was saved between the two reads, or two were saved at once: this one is whole in one file.
        config = _check_format(original, folder / layout.weights, layout)
    return SavedFolder(folder, layout, config, weights, original)


def read_config(folder: Path, layout: Layout = MODEL) -> dict[str, Any]:
    """The config that `write_folder` was given.

    Raises:
        CheckpointError: the folder isn't there, isn't of this kind, is damaged, or of another format
    """
    missing = [name for name in (layout.config, layout.weights) if not (folder / name).is_file()]
    if missing:
        entries = (
            ", ".join(sorted(path.name for path in folder.iterdir())[:10]) if folder.is_dir() else "no such folder"
        )
        entries = "a file, and no folder" if folder.is_file() else entries
        lacks = f"no {layout.kind} here, {' and '.join(missing)} missing"
        raise CheckpointError(f"{folder}: {lacks} (found: {entries}): {_hint(folder, layout)}")
    path = folder / layout.config
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: damaged, not JSON ({reason(error)}); save the {layout.kind} again") from error
    return _check_format(config, path, layout)


def _check_format(config: Any, path: Path, layout: Layout) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    version = config.get("format") if isinstance(config, dict) else None
    if not isinstance(config, dict) or version not in layout.formats or isinstance(version, bool):
        way_out = (
            "update ser_tl, or use the version that saved it"
            if version
            else f"this is not {layout.with_article} of ser_tl"
        )
        readable = " and ".join(map(str, layout.formats))
        raise CheckpointError(f"{path}: format {version!r:.80}, this version of ser_tl reads {readable}: {way_out}")
    return config


def _hint(folder: Path, layout: Layout) -> str:
    other = ADAPTER if layout == MODEL else MODEL
    if all((folder / name).is_file() for name in (other.config, other.weights)):
        return f"this is {other.with_article}, which {other.loader} loads"
    if (folder / EXPORT_FILE).is_file():
        return (
            "this is an exported model, which predicts (ser_tl.Predictor, ser-tl predict) and can't be trained: train "
            "or evaluate the saved model that it was made of"
        )
    if (folder / layout.kind / layout.config).is_file():
        return f"this is a run's folder, its {layout.kind} is {folder / layout.kind}"
    return "pass a folder that a recipe saved"
