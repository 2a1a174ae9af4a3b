"""Whether a graph is being recorded: where a module has two ways to the same numbers, one for speed and one to export.

A graph holds for every batch and every length. So while it is recorded nothing may depend on how many clips there are
or how long they are, and nothing may be used that an exported graph can't hold (complex numbers, kernels of one CPU).
No axis may be 1 for some lengths and more for others: torch.export takes the two for different graphs. Where a clip of
the shortest length would leave a single frame, padding is added, which masks keep from changing anything.

Callers of a recorded graph pad the waveform with zeros to a multiple of `HOP` samples, at least `SHORTEST`, and give the
clips' true lengths. Knows nothing of what is recorded.
"""

import torch
from torch import Tensor
from torch.nn import functional

HOP = 320
"""Samples of which the waveform given to a recorded graph is a multiple, 20 ms."""

SHORTEST = 2560
"""Samples that the waveform given to a recorded graph has at least: 0.16 s, from which every encoder has a frame."""


def exporting() -> bool:
    """Whether torch.export, torch.compile or torch.jit.trace records what is computed now."""
    return torch.compiler.is_compiling() or torch.compiler.is_exporting() or torch.jit.is_tracing()


def max_pool(frames: Tensor, size: int, *, ceil_mode: bool = False) -> Tensor:
    """The largest of each `size` frames, as torch's max_pool1d, which would fix the length in a recorded graph.

    Shape:
        frames (B, D, T) -> (B, D, T'); T' = floor(T / size), or ceil(T / size)
    """
    if not exporting():
        return functional.max_pool1d(frames, size, ceil_mode=ceil_mode)
    whole = functional.pad(frames, (0, size - 1), value=-torch.inf) if ceil_mode else frames
    count = whole.shape[2] // size
    kept = torch.arange(size * count, device=frames.device)  # a slice would ask whether any frame is left over
    return whole.index_select(2, kept).unflatten(2, (count, size)).amax(dim=3)
