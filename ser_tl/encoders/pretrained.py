"""Loading a transformers checkpoint from a folder or a hub, with errors that tell the way out.

Knows where checkpoints come from, and nothing of what an encoder is.
"""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoFeatureExtractor

from ser_tl.errors import EncoderError, listing


def load_pretrained(kind: Any, source: str, **overrides: Any) -> Any:  # noqa: ANN401 - transformers' Auto classes have no common type
    """`kind.from_pretrained(source)` in float32, checked for completeness.

    Args:
        kind: AutoConfig, AutoFeatureExtractor or AutoModel
        source: a local folder or a hub id
        overrides: values that replace those of the checkpoint's config

    Raises:
        EncoderError: no such folder, not to be had offline, damaged, or without some of the model's weights
    """
    if source.startswith((".", "/", "~")) and not Path(source).expanduser().is_dir():
        raise EncoderError(f"--encoder {source}: no such folder")
    where = str(Path(source).expanduser()) if Path(source).expanduser().is_dir() else source
    if kind is AutoFeatureExtractor or kind is AutoConfig:
        return _attempt(kind, where, **overrides)
    model, info = _attempt(kind, where, dtype=torch.float32, output_loading_info=True, **overrides)
    missing = sorted(info["missing_keys"])
    if missing:
        raise EncoderError(
            f"--encoder {source}: the checkpoint lacks {len(missing)} of the model's weights, which would stay random: "
            f"download it again\n{listing(missing)}"
        )
    return model


def _attempt(kind: Any, where: str, **options: Any) -> Any:  # noqa: ANN401
    try:
        return kind.from_pretrained(where, **options)
    except Exception as error:  # transformers lets errors of many libraries through
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if Path(where).is_dir():
            raise EncoderError(
                f"--encoder {where}: this folder can't be loaded ({reason}). Expected config.json, "
                f"preprocessor_config.json and model.safetensors in transformers' layout; found "
                f"{', '.join(sorted(entry.name for entry in Path(where).iterdir())) or 'nothing'}"
            ) from error
        raise EncoderError(
            f"--encoder {where}: neither a folder, nor in the local cache, nor to be had from the hub ({reason}). "
            f"Check the name; without network, run `hf download {where}` on a machine that has one, copy the folder "
            f"it prints, and pass that folder as --encoder"
        ) from error
