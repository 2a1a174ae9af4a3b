"""SoundNet's weights: from the published sound8.npy, or from a folder that keeps them as safetensors.

    sound8.npy --convert_sound8--> folder (config.json, model.safetensors) --load_soundnet--> a SoundNet

The published file is TensorFlow's: kernels are (kernel, 1, in, out), a layer is a dict of weights, biases, and its
batch norm's gamma, beta, mean and var. Knows names and layouts, and nothing of what the network computes.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ser_tl.encoders.numpy_pickle import read_arrays
from ser_tl.encoders.pretrained import weights_file
from ser_tl.errors import EncoderError, listing
from ser_tl.files import write_atomically, write_text

_NAMES = {
    "weights": "conv.weight",
    "biases": "conv.bias",
    "gamma": "norm.weight",
    "beta": "norm.bias",
    "mean": "norm.mean",
    "var": "norm.variance",
}
_HEADS = "conv8"  # and conv8_2: objects and scenes, not kept


def read_sound8(npy: Path) -> dict[str, Tensor]:
    """The weights in the published file, by their names in `SoundNet`; the two heads are left out.

    Raises:
        EncoderError: no such file, or not what it should be
    """
    weights: dict[str, Tensor] = {}
    for layer, arrays in read_arrays(npy).items():
        if layer.startswith(_HEADS):
            continue
        if arrays.keys() != _NAMES.keys() or arrays["weights"].ndim != 4:
            raise EncoderError(
                f"encoder {npy}: {layer} has {', '.join(sorted(arrays))}, expected {', '.join(sorted(_NAMES))} with "
                f"weights of 4 dimensions, as in SoundNet-8's published sound8.npy"
            )
        kernel = arrays["weights"][:, 0].transpose(2, 1, 0)  # (kernel, in, out) -> (out, in, kernel)
        for name, array in (arrays | {"weights": kernel}).items():
            weights[f"layers.{layer}.{_NAMES[name]}"] = torch.from_numpy(np.array(array, np.float32, order="C"))
    return weights


def convert_sound8(npy: str | Path, folder: str | Path, *, half: bool = True) -> None:
    """Writes the published weights as a folder that `load_encoder` takes.

    Args:
        npy: SoundNet-8's published sound8.npy
        folder: where config.json and model.safetensors go; made if it isn't there
        half: kernels in float16; biases and norms, 0.4 % of the numbers, stay in float32

    Raises:
        EncoderError: no such file, or not what it should be
    """
    weights = read_sound8(Path(npy))
    if half:
        weights = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in weights.items()}
    Path(folder).mkdir(parents=True, exist_ok=True)
    with write_atomically(Path(folder) / "model.safetensors") as temporary:
        save_file(weights, temporary, metadata={"format": "pt"})
    write_text(Path(folder) / "config.json", json.dumps({"model_type": "soundnet"}, indent=2) + "\n")


def load_soundnet(encoder: nn.Module, source: str) -> None:
    """Fills a SoundNet with the weights of a folder, a hub id or a .npy file; layers that it lacks are passed over.

    Raises:
        EncoderError: not to be had, damaged, or without some of the encoder's weights in their shape
    """
    path = Path(source).expanduser()
    try:
        weights = read_sound8(path) if path.suffix == ".npy" and not path.is_dir() else load_file(weights_file(source))
    except SafetensorError as error:
        raise EncoderError(f"encoder {source}: model.safetensors is damaged ({error}): copy it again") from error
    wanted = encoder.state_dict()
    wrong = [
        f"{name}: expected {tuple(tensor.shape)}, found {tuple(weights[name].shape) if name in weights else 'nothing'}"
        for name, tensor in wanted.items()
        if name not in weights or weights[name].shape != tensor.shape
    ]
    if wrong:
        raise EncoderError(
            f"encoder {source}: {len(wrong)} of SoundNet's weights are missing or of another shape: "
            f"download it again\n{listing(wrong)}"
        )
    encoder.load_state_dict({name: weights[name] for name in wanted})
