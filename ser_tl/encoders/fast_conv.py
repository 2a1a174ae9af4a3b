"""wav2vec 2.0's convolutions on a CPU: the same numbers from matrix products and FFTs, two to six times as fast.

    clips_per_chunk(conv, waveform)   how many clips go through a front end together
    strided_layer(layer, frames)      convolution, norm and activation of a front end's layer
    wide_convolution(conv, frames)    the convolution of position embeddings

torch's convolutions want channels first and layer norm wants them last, so that a front end with a norm in each layer
spends its time on transposing; and a convolution that is 64 or 128 frames wide, in groups, has a slow backward pass.
Weights stay those of transformers' modules. On a GPU its own kernels are fast, and nothing of this is used.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ser_tl.encoders.onednn import is_onednn_faster, linear
from ser_tl.modules.graph import is_recording

_WIDE = 16  # frames from which an FFT pays
_ROUND = 32  # FFTs of multiples of it are fast
_BLOCK = 2**25  # bytes, about; glibc keeps freed blocks up to this size, and fetches larger ones anew, page by page


def is_plain(conv: nn.Module, frames: Tensor) -> bool:
    """Whether a convolution is torch's own, on a CPU, without adapters or hooks that would have to be called.

    Never while a graph is recorded: what is fast here needn't be where the graph runs.
    """
    if is_recording():
        return False
    return frames.device.type == "cpu" and type(conv).forward is nn.Conv1d.forward and not conv._forward_hooks


def clips_per_chunk(conv: nn.Conv1d, waveform: Tensor) -> int:
    """How many clips of a batch go through a front end together, so that its first layer's output stays small.

    At 3200 frames a second of 512 channels, a batch of 30 s is 200 MB in each step of the first layer: fetching such
    blocks from the system takes longer than filling them (wav2vec2-base, full fine-tuning: a quarter of a step).

    Args:
        conv: the first layer's convolution
        waveform: (B, N)
    """
    if waveform.device.type != "cpu":
        return max(1, len(waveform))
    clip = 4 * conv.out_channels * (waveform.shape[1] // conv.stride[0])
    return max(1, _BLOCK // max(1, clip))


def strided_layer(layer: Any, frames: Tensor) -> Tensor:  # noqa: ANN401 - each family has a class of its own
    """The output of a front end's layer for frames.

    Args:
        layer: with a convolution without padding and groups, a layer norm, and an activation
        frames: (B, C, T)

    Returns:
        (B, C', T'), channels last in memory.
    """
    kernel, stride = layer.conv.kernel_size[0], layer.conv.stride[0]
    channels_last = frames.transpose(1, 2)
    count = (channels_last.shape[1] - kernel) // stride + 1
    spanned = -(-kernel // stride)  # blocks of `stride` frames that a window begins or fills
    length = (count + spanned - 1) * stride
    spare = length - channels_last.shape[1]
    padded = channels_last[:, :length] if spare <= 0 else functional.pad(channels_last, (0, 0, 0, spare))
    blocks = padded.reshape(len(frames), -1, stride * frames.shape[1])
    remainder = (kernel - (spanned - 1) * stride) * frames.shape[1]  # channels of the last block that are in a window
    windows = [blocks[:, start : start + count] for start in range(spanned)]
    windows[-1] = windows[-1][..., :remainder]
    joined = windows[0] if spanned == 1 else torch.cat(windows, dim=-1)
    multiply = linear if is_onednn_faster() else functional.linear
    product = multiply(joined, layer.conv.weight.transpose(1, 2).flatten(1), layer.conv.bias)
    return layer.activation(layer.layer_norm(product)).transpose(1, 2)


def wide_convolution(conv: nn.Conv1d, frames: Tensor) -> Tensor:
    """A convolution in groups, its stride 1, by FFTs in float32.

    Shape:
        frames (B, C, T) -> (B, C', T')
    """
    if conv.kernel_size[0] < _WIDE or conv.groups == conv.in_channels:
        return conv(frames)
    kernel, padding, groups = conv.kernel_size[0], int(conv.padding[0]), conv.groups
    count = frames.shape[2] + 2 * padding - kernel + 1
    with torch.autocast("cpu", enabled=False):
        size = -(-(frames.shape[2] + 2 * padding) // _ROUND) * _ROUND
        padded = functional.pad(frames.float(), (padding, size - frames.shape[2] - padding))
        spectrum = torch.fft.rfft(padded).unflatten(1, (groups, -1))
        weight = torch.fft.rfft(conv.weight.float(), n=size).conj().unflatten(0, (groups, -1))
        output = torch.einsum("bgif,goif->bgof", spectrum, weight).flatten(1, 2)
        output = torch.fft.irfft(output, n=size)[..., :count]
        return (output if conv.bias is None else output + conv.bias.float()[:, None]).to(frames.dtype)
