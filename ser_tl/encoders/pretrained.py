"""Loading a transformers checkpoint from a folder or a hub, with errors that name the way out.

Knows where checkpoints come from, and nothing of what an encoder is.
"""

import json
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from ser_tl.errors import EncoderError, listing

EXPORT_FILE = "ser_tl_export.json"  # as in `inference.manifest`, for a message

_HEAD = ("projector.", "classifier.", "layer_weights")
"""What names begin with of the weights of transformers' own audio classifiers, above the encoder."""


def load_pretrained(kind: Any, source: str, **overrides: Any) -> Any:  # noqa: ANN401 - transformers' Auto classes have no common type
    """`kind.from_pretrained(source)` in float32, checked for completeness.

    Args:
        kind: AutoFeatureExtractor or AutoModel
        source: a local folder or a hub id
        overrides: values that replace those of the checkpoint's config

    Raises:
        EncoderError: no such folder, not to be had offline, damaged, or without some of the model's weights
    """
    from huggingface_hub.utils import enable_progress_bars
    from transformers import AutoFeatureExtractor
    from transformers.utils import logging

    logging.disable_progress_bar()  # of weights, which are loaded in no time, in pipes as well
    enable_progress_bars()  # of downloads

    where = _locate(source)
    if kind is AutoFeatureExtractor:
        return _attempt(kind.from_pretrained, where, **overrides)
    options = {"dtype": torch.float32, "output_loading_info": True, "ignore_mismatched_sizes": True}  # reported below
    model, info = _attempt(kind.from_pretrained, where, **options, **overrides)
    missing, others = sorted(info["missing_keys"]), sorted(info["unexpected_keys"])
    resized = sorted(
        f"{name}: {tuple(actual)}, expected {tuple(wanted)}" for name, actual, wanted in info["mismatched_keys"]
    )
    if resized:
        raise EncoderError(
            f"encoder {source}: {'this folder' if Path(where).is_dir() else 'this checkpoint'} can't be loaded: "
            f"weights of other shapes than its config.json describes; copy both files of one checkpoint\n"
            f"{listing(resized)}"
        )
    if missing and others and all(name.startswith(_HEAD) for name in missing):
        named = ", ".join(model.config.architectures or []) or "another architecture"
        raise EncoderError(
            f"encoder {source}: the checkpoint is of {named}: it lacks {len(missing)} of the weights of "
            f"{type(model).__name__}, which would stay random\n{listing(missing)}\nand has {len(others)} that it "
            f"doesn't know\n{listing(others)}"
        )
    if missing:
        raise EncoderError(
            f"encoder {source}: the checkpoint lacks {len(missing)} of the model's weights, which would stay random: "
            f"download it again\n{listing(missing)}"
        )
    return model


def check_front_end(source: str, expected: dict[str, Any]) -> None:
    """Checks what a checkpoint's own files say of its front end, as far as they say it.

    Args:
        source: a local folder or a hub id
        expected: the values that a front end here has, by their names in preprocessor_config.json

    Raises:
        EncoderError: it was trained on other features than it would get here
    """
    settings = _read_preprocessor(_locate(source))
    wrong = [
        f"{name}: {settings[name]!r}, here {value!r}"
        for name, value in expected.items()
        if name in settings and settings[name] != value
    ]
    if wrong:
        raise EncoderError(
            f"encoder {source}: its preprocessor_config.json says that it was trained on other features than it gets "
            f"here: take a checkpoint whose front end is this one, or correct that file if it is wrong"
            f"\n{listing(wrong)}"
        )


def _read_preprocessor(where: str) -> dict[str, Any]:
    """What a checkpoint says of its feature extractor; empty where it says nothing."""
    from transformers.utils import cached_file

    for file, section in (("preprocessor_config.json", None), ("processor_config.json", "feature_extractor")):
        try:
            path = cached_file(where, file)
            settings = {} if path is None else json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError):  # not there, not to be had offline, or no JSON: the loader says what it needs
            continue
        settings = settings if section is None else settings.get(section)
        if isinstance(settings, dict) and settings:
            return settings
    return {}


def read_model_type(source: str) -> str:
    """The architecture that a checkpoint's config.json names, transformers' own or one of ours.

    Raises:
        EncoderError: no such folder, not to be had offline, or no model_type in its config
    """
    from transformers import PretrainedConfig

    def read(where: str) -> str:
        config, _ = PretrainedConfig.get_config_dict(where)
        if not config:  # what a hub's folder without the file gives
            raise OSError("no config.json")
        return config["model_type"]

    return _attempt(read, _locate(source))


def weights_file(source: str) -> Path:
    """The model.safetensors of a local folder or a hub id.

    Raises:
        EncoderError: no such folder, not to be had offline, or no such file in it
    """
    from transformers.utils import cached_file

    return Path(_attempt(lambda where: cached_file(where, "model.safetensors"), _locate(source)))


def _locate(source: str) -> str:
    folder = Path(source).expanduser()
    if source.startswith((".", "/", "~")) and not folder.is_dir():
        raise EncoderError(f"encoder {source}: no such folder")
    if (folder / EXPORT_FILE).is_file():
        raise EncoderError(
            f"encoder {source}: this is an exported model, which predicts (ser-tl predict) and can't be trained: name "
            f"the encoder that it was made of, or a saved one"
        )
    return str(folder) if folder.is_dir() else source


def _attempt(load: Callable[..., Any], where: str, **options: Any) -> Any:  # noqa: ANN401
    try:
        return load(where, **options)
    except UnpicklingError as error:
        raise EncoderError(
            f"encoder {where}: its pytorch_model.bin holds more than tensors, or is damaged. A pickle can hold any "
            f"code, and none of it was run: get the checkpoint as model.safetensors"
        ) from error
    except Exception as error:  # transformers lets errors of many libraries through
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if Path(where).is_dir():
            raise EncoderError(
                f"encoder {where}: this folder can't be loaded ({reason}). Expected config.json, "
                f"model.safetensors and, for transformers' families, preprocessor_config.json; found "
                f"{', '.join(sorted(entry.name for entry in Path(where).iterdir())) or 'nothing'}"
            ) from error
        raise EncoderError(
            f"encoder {where}: neither a folder, nor in the local cache, nor to be had from the hub ({reason}). "
            f"Check the name; without network, run `hf download {where}` on a machine that has one, copy the folder "
            f"it prints, and pass that folder as `encoder`"
        ) from error
