"""Whether a graph is being recorded: where an encoder has two ways to the same numbers, for speed and for export.

A graph holds for every batch and every length. So while it is recorded nothing may depend on how many clips there are
or how long they are, and nothing may be used that an exported graph can't hold (complex numbers, kernels of one CPU).
Callers of a recorded graph pad the waveform with zeros to a multiple of `HOP` samples, at least `SHORTEST`, and give
the true lengths of clips. Knows nothing of what is recorded.
"""

import torch

HOP = 320
"""Samples of which the waveform given to a recorded graph is a multiple: 20 ms, which no encoder's strides divide."""

SHORTEST = 2560
"""Samples that the waveform given to a recorded graph has at least: 0.16 s, from which every network has a frame."""


def exporting() -> bool:
    """Whether torch.export, torch.compile or torch.jit.trace records what is computed now."""
    return torch.compiler.is_compiling() or torch.compiler.is_exporting() or torch.jit.is_tracing()


def longer_of(count: int, least: int) -> int:
    """The larger of a count that may be a recorded graph's own variable, and a number."""
    return torch.sym_max(count, least)
