"""Loading a transformers checkpoint from a folder or a hub, with errors that tell the way out.

Knows where checkpoints come from, and nothing of what an encoder is.
"""

from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from transformers import AutoFeatureExtractor, PretrainedConfig
from transformers.utils import cached_file

from ser_tl.errors import EncoderError, listing


def load_pretrained(kind: Any, source: str, **overrides: Any) -> Any:  # noqa: ANN401 - transformers' Auto classes have no common type
    """`kind.from_pretrained(source)` in float32, checked for completeness.

    Args:
        kind: AutoFeatureExtractor or AutoModel
        source: a local folder or a hub id
        overrides: values that replace those of the checkpoint's config

    Raises:
        EncoderError: no such folder, not to be had offline, damaged, or without some of the model's weights
    """
    where = _where(source)
    if kind is AutoFeatureExtractor:
        return _attempt(kind.from_pretrained, where, **overrides)
    model, info = _attempt(kind.from_pretrained, where, dtype=torch.float32, output_loading_info=True, **overrides)
    missing = sorted(info["missing_keys"])
    if missing:
        raise EncoderError(
            f"--encoder {source}: the checkpoint lacks {len(missing)} of the model's weights, which would stay random: "
            f"download it again\n{listing(missing)}"
        )
    return model


def model_type(source: str) -> str:
    """The architecture that a checkpoint's config.json names, transformers' own or one of ours.

    Raises:
        EncoderError: no such folder, not to be had offline, or no model_type in its config
    """

    def read(where: str) -> str:
        config, _ = PretrainedConfig.get_config_dict(where)
        if not config:  # what a hub's folder without the file gives
            raise OSError("no config.json")
        return config["model_type"]

    return _attempt(read, _where(source))


def weights_file(source: str) -> Path:
    """The model.safetensors of a local folder or a hub id.

    Raises:
        EncoderError: no such folder, not to be had offline, or no such file in it
    """
    return Path(_attempt(lambda where: cached_file(where, "model.safetensors"), _where(source)))


def _where(source: str) -> str:
    folder = Path(source).expanduser()
    if source.startswith((".", "/", "~")) and not folder.is_dir():
        raise EncoderError(f"--encoder {source}: no such folder")
    return str(folder) if folder.is_dir() else source


def _attempt(load: Callable[..., Any], where: str, **options: Any) -> Any:  # noqa: ANN401
    try:
        return load(where, **options)
    except UnpicklingError as error:
        raise EncoderError(
            f"--encoder {where}: its pytorch_model.bin holds more than tensors, or is damaged. A pickle can hold any "
            f"code, and none of it was run: get the checkpoint as model.safetensors"
        ) from error
    except Exception as error:  # transformers lets errors of many libraries through
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if Path(where).is_dir():
            raise EncoderError(
                f"--encoder {where}: this folder can't be loaded ({reason}). Expected config.json, "
                f"model.safetensors and, for transformers' families, preprocessor_config.json; found "
                f"{', '.join(sorted(entry.name for entry in Path(where).iterdir())) or 'nothing'}"
            ) from error
        raise EncoderError(
            f"--encoder {where}: neither a folder, nor in the local cache, nor to be had from the hub ({reason}). "
            f"Check the name; without network, run `hf download {where}` on a machine that has one, copy the folder "
            f"it prints, and pass that folder as --encoder"
        ) from error
