"""Recording a graph, and whether one is: a module may have two ways to the same numbers, for speed and to export.

    module(waveform (B, N), lengths (B,)) --record--> ExportedProgram for any batch and length

A graph holds for every batch and every length. So while it is recorded nothing may depend on how many clips there are
or how long they are, and nothing may be used that an exported graph can't hold (complex numbers, kernels of one CPU).
No axis may be 1 for some lengths and more for others: torch.export takes the two for different graphs. Where a clip of
the shortest length would leave a single frame, padding is added, which masks keep from changing anything.

A graph may also be recorded for one length (`is_fixed`), for TensorFlow Lite, whose converter stores whatever can be
computed without the input. There no constant may be as long as the waveform: positions are counted in two steps.

Callers of a recorded graph pad the waveform with zeros to a multiple of `HOP` samples, at least `SHORTEST`, and give
the clips' true lengths. Independent of what is recorded.
"""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch.export import ExportedProgram

HOP = 320
"""Samples of which the waveform given to a recorded graph is a multiple, 20 ms."""

SHORTEST = 2560
"""Samples that the waveform given to a recorded graph has at least: 0.16 s, from which every encoder has a frame."""

LONGEST = 480_000
"""Samples that it has at most, 30 s."""

_STEP = 160  # positions that `shift` counts from each constant, where a graph has one length

_CHOOSER = "select_one_layer_lstm_function"  # of torch's way through one layer

BATCH = 256
"""Clips that it has at most."""


def record(module: nn.Module) -> "ExportedProgram":
    """The graph of a module in evaluation mode that takes waveform (B, N) and lengths (B,), tensors in and out.

    Args:
        module: what is recorded, on a CPU

    Returns:
        A program for 1 to `BATCH` clips and N from `SHORTEST` to `LONGEST`, a multiple of `HOP`.
    """
    from torch.export import Dim, export  # takes a second to import, and every encoder knows this file

    hops = Dim("hops", min=SHORTEST // HOP, max=LONGEST // HOP)
    batch = Dim("batch", min=1, max=BATCH)
    example = torch.zeros(2, 50 * HOP), torch.tensor([50 * HOP, 30 * HOP])
    shapes = ({0: batch, 1: HOP * hops}, {0: batch})
    with torch.no_grad(), shapes_found_anew(), whole_lstm():
        return export(module, example, dynamic_shapes=shapes, strict=False)


def is_exporting() -> bool:
    """Whether torch.export or torch.jit.trace records what is computed now, to be used as this file says."""
    return torch.compiler.is_exporting() or torch.jit.is_tracing()


def is_recording() -> bool:
    """Whether any graph is recorded: one that is exported, or torch.compile's, which takes any lengths."""
    return is_exporting() or torch.compiler.is_compiling()


def is_fixed(length: int) -> bool:
    """Whether a graph of one length is recorded; `length` is an axis of an input."""
    return is_exporting() and isinstance(length, int)


def shift(starts: Tensor, count: int) -> Tensor:
    """The integers from each start on, (B,) -> (B, count)."""
    if not is_fixed(count):
        return starts[:, None] + torch.arange(count, device=starts.device)
    steps = _STEP * torch.arange(-(-count // _STEP), device=starts.device)
    offsets = torch.arange(_STEP, device=starts.device)
    return ((starts[:, None] + steps)[:, :, None] + offsets).flatten(1)[:, :count]


def length_mask(lengths: Tensor, longest: int) -> Tensor:
    """Which positions are inside, (B,) -> (B, longest)."""
    if not is_fixed(longest):
        return torch.arange(longest, device=lengths.device) < lengths[:, None]
    return shift(-lengths, longest) < 0


def select_positions(values: Tensor, indices: Tensor) -> Tensor:
    """Values at indices of each clip's own, (B, N) or (B, D, N), and (B, M) -> (B, M) or (B, D, M)."""
    if is_fixed(values.shape[-1]) and values.shape[0] == 1:  # else each value's clip and channel were an index, too
        return values.index_select(-1, indices[0])
    return values.gather(-1, indices if values.ndim == 2 else indices[:, None].expand(-1, values.shape[1], -1))


def max_pool(frames: Tensor, size: int, *, ceil_mode: bool = False) -> Tensor:
    """The largest of each `size` frames, as torch's max_pool1d, which would fix the length in a recorded graph.

    Shape:
        frames (B, D, T) -> (B, D, T'); T' = floor(T / size), or ceil(T / size)
    """
    if not is_exporting():
        return functional.max_pool1d(frames, size, ceil_mode=ceil_mode)
    padded = functional.pad(frames, (0, size - 1), value=-torch.inf) if ceil_mode else frames
    return whole_groups(padded, size, dim=2).amax(dim=3)


def whole_groups(values: Tensor, size: int, dim: int) -> Tensor:
    """Values (..., T, ...) in groups of `size`, (..., floor(T / size), size, ...); those left over are dropped."""
    count = values.shape[dim] // size
    if is_fixed(values.shape[dim]):
        return values.narrow(dim, 0, size * count).unflatten(dim, (count, size))
    indices = torch.arange(size * count, device=values.device)  # a slice would ask whether any is left over
    return values.index_select(dim, indices).unflatten(dim, (count, size))


def join_heads(attended: Tensor) -> Tensor:
    """What the heads of an attention gathered, side by side, (B, H, T, D) -> (B, T, H D)."""
    frames = attended.transpose(1, 2)
    if torch.compiler.is_exporting():
        # torch's kernel leaves the heads side by side already, and joining them would be recorded as a view; what it
        # is lowered to for ONNX doesn't, and refuses that view.
        frames = frames.clone(memory_format=torch.contiguous_format)
    return frames.flatten(2)


def run_lstm(lstm: Any, frames: Tensor) -> Tensor:  # noqa: ANN401 - an nn.LSTM, which a ModuleList forgets
    """An LSTM's output for frames, (B, T, D) -> (B, T, H)."""
    if not torch.compiler.is_exporting():
        return lstm(frames)[0]
    with whole_lstm():
        return lstm(frames)[0]


def shapes_found_anew() -> AbstractContextManager[None]:
    """Lets torch.export, and what lowers its programs, find shapes without torch's cache of them.

    To look a shape up takes longer than to find it anew: recording wav2vec 2.0 takes 40 % less time without the cache.
    """
    from torch._dynamo.config import patch

    return patch(fake_tensor_cache_enabled=False)


@contextmanager
def whole_lstm() -> Generator[None]:
    """Lets torch.export, and what lowers its programs, find an LSTM's shapes without running it step by step.

    torch finds the shapes by a loop over frames, which takes as many seconds as the clip has tens of them and fixes
    their number. Its other implementation, oneDNN's layer, which it takes where tensors are real, does neither. The
    graph holds the LSTM as one operation either way.
    """
    from torch._decomp import decompositions

    choose = getattr(decompositions, _CHOOSER)
    setattr(decompositions, _CHOOSER, lambda *_: decompositions.mkldnn_one_layer_lstm)
    try:
        yield
    finally:
        setattr(decompositions, _CHOOSER, choose)
