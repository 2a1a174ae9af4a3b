"""VGGish's weights as torchvggish publishes them: where they lie, and what has to be in them.

    vggish-10086976.pth, beside it vggish_pca_params-970ea276.pth  --read_vggish--> {name: tensor} --fill--> a VGGish
    a folder or hub id with config.json ({"model_type": "vggish"}) and model.safetensors, names as in torchvggish

Knows names, shapes and files, and nothing of what the network computes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ser_tl.encoders.pretrained import weights_file
from ser_tl.errors import EncoderError, listing

RELEASE = "https://github.com/harritaylor/torchvggish/releases/tag/v0.1"
WEIGHTS, PCA_PARAMS = "vggish-10086976.pth", "vggish_pca_params-970ea276.pth"

CONVOLUTIONS = ((0,), (3,), (6, 8), (11, 13))
"""Indices of the convolutions among `features`, those of one width together."""

_LAYERS = [f"features.{index}" for places in CONVOLUTIONS for index in places]
_LAYERS += [f"embeddings.{index}" for index in (0, 2, 4)]
_PCA = ["pproc.pca_eigen_vectors", "pproc.pca_means"]
_NAMES = {*_PCA, *(f"{layer}.{tensor}" for layer in _LAYERS for tensor in ("weight", "bias"))}

_SUFFIXES = (".pth", ".pt", ".safetensors")

# The published PCA file holds numpy arrays. These are the pickled types of an array, under old and new names.
_rebuild = np.empty(0).__reduce__()[0]
_ARRAYS: list[Any] = [(_rebuild, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")]
_ARRAYS += [np.ndarray, np.dtype, type(np.dtype("f4")), type(np.dtype("f8"))]


def read_vggish(source: str) -> dict[str, Tensor]:
    """The weights of a file, a folder or a hub id, by torchvggish's names; the PCA's too where they lie beside a file.

    Raises:
        EncoderError: not to be had, damaged, or more than named tensors
    """
    path = Path(source).expanduser()
    if not source:
        raise EncoderError(
            f"encoder vggish: its weights have to be brought. Download {WEIGHTS} from {RELEASE} and pass the file as "
            f"`encoder` (its name has to end in .pth or .pt); output postprocessed needs {PCA_PARAMS} beside it"
        )
    if path.suffix not in _SUFFIXES or path.is_dir():
        return _read(weights_file(source))
    if not path.is_file():
        raise EncoderError(f"encoder {source}: no such file. VGGish's weights are to be had from {RELEASE}")
    weights = _read(path)
    for beside in sorted(path.parent.glob("vggish_pca_params*.pth"))[:1]:
        weights |= _read(beside)
    return weights


def read_sizes(weights: dict[str, Tensor]) -> dict[str, Any]:
    """Widths of a VGGish with such weights, as its arguments; the published ones where a weight is missing."""

    def width(name: str, published: int) -> int:
        return weights[name].numel() if name in weights else published

    channels = zip(CONVOLUTIONS, (64, 128, 256, 512), strict=True)
    return {
        "channels": [width(f"features.{indices[0]}.bias", published) for indices, published in channels],
        "hidden": width("embeddings.0.bias", 4096),
        "size": width("embeddings.4.bias", 128),
    }


def load_weights(encoder: nn.Module, weights: dict[str, Tensor], source: str) -> None:
    """Puts the weights into a VGGish; those of parts that it was built without are passed over.

    Raises:
        EncoderError: weights that are missing, of another shape, or unknown to VGGish
    """
    wanted = encoder.state_dict()
    wrong = [f"{name}: unknown to VGGish" for name in sorted(weights.keys() - _NAMES)]
    for name, tensor in wanted.items():
        if name not in weights:
            wrong.append(f"{name}: expected {tuple(tensor.shape)}, found nothing")
        elif weights[name].shape != tensor.shape:
            wrong.append(f"{name}: expected {tuple(tensor.shape)}, found {tuple(weights[name].shape)}")
    if wrong:
        pca = f" (output postprocessed needs {PCA_PARAMS} beside it)" if wanted.keys() >= set(_PCA) else ""
        raise EncoderError(
            f"encoder {source}: {len(wrong)} of its weights are not as torchvggish publishes them; "
            f"download {WEIGHTS} again from {RELEASE}{pca}\n{listing(wrong)}"
        )
    encoder.load_state_dict({name: weights[name] for name in wanted})


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            weights = load_file(path)
        else:
            with torch.serialization.safe_globals(_ARRAYS):
                weights = torch.load(path, map_location="cpu", weights_only=True)
        weights = {name: torch.as_tensor(value) for name, value in weights.items()}
    except Exception as error:  # many kinds, by what is wrong with the file
        raise EncoderError(
            f"encoder {path}: expected named tensors and nothing else, as in {WEIGHTS}; this can't be read as such "
            f"({type(error).__name__}). Download it again from {RELEASE}"
        ) from error
    for name in _PCA:
        short = name.removeprefix("pproc.")
        if short in weights:  # as the separate file calls it
            weights[name] = weights.pop(short)
    means = weights.get("pproc.pca_means")
    if means is not None and means.ndim == 1:
        weights["pproc.pca_means"] = means[:, None]
    return weights
