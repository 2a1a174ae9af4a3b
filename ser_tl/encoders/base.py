"""What an encoder is: 16 kHz audio in, the states of its layers out.

    waveform (B, N), lengths (B,) --Encoder--> Hidden(states (L, B, T, D), mask (B, T))

An encoder owns its front end (normalisation, log-mel, resampling): callers only ever hold 16 kHz audio. It knows
nothing of emotions, pooling or training. What is frozen is told by `requires_grad` alone: a block none of whose
parameters requires a gradient is frozen, stays in evaluation mode and keeps no graph.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from ser_tl.registry import Registry

FAMILIES: Registry[type["Encoder"]] = Registry("encoder family")
"""Encoder classes by the `model_type` that stands in a checkpoint's config.json."""


class Hidden(NamedTuple):
    """The states of an encoder's layers.

    Attributes:
        states: (L, B, T, D), input side first. Of a transformer the first are what the first layer takes in and the
            last are after the final layer norm; an encoder without layers of one width has a single state
        mask: (B, T), True on speech and False on padding; at least one True per clip
    """

    states: Tensor
    mask: Tensor


class Block(NamedTuple):
    """A part of an encoder that is frozen or unfrozen as one."""

    name: str
    modules: nn.ModuleList


class Encoder(nn.Module, ABC):
    """From 16 kHz audio to layers of frame states: a pretrained network, or features computed without weights.

    Attributes:
        family: its name in `FAMILIES`
        dim: channels of a state, D
        num_states: number of states a frame, L: each of the top L - 1 blocks makes one of them, those below make the
            first
        frame_rate: frames a second
        max_seconds: the longest clip it takes; None where there is no limit

    Shape:
        waveform (B, N) float32 at 16 kHz, lengths (B,) samples -> states (L, B, T, D), mask (B, T)
    """

    family: str
    dim: int
    num_states: int
    frame_rate: float
    max_seconds: float | None = None

    @abstractmethod
    def forward(self, waveform: Tensor, lengths: Tensor) -> Hidden:
        """Encodes padded clips; what stands behind a clip's length never changes its states."""

    @abstractmethod
    def blocks(self) -> list[Block]:
        """All parameters, each in one block, input side first; none where features are computed without weights."""

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What `from_config` needs, as JSON: the architecture and the front end's settings, no weights."""

    @classmethod
    @abstractmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The same architecture with random weights."""

    @classmethod
    @abstractmethod
    def from_pretrained(cls, source: str) -> Self:
        """The encoder of a local folder or hub id. Families may take options of their own, as keyword arguments.

        Raises:
            EncoderError: the checkpoint lacks weights of the encoder
        """

    def train(self, mode: bool = True) -> Self:
        """Training mode for the blocks that learn; a frozen block stays in evaluation mode (dropout, BatchNorm)."""
        super().train(mode)
        for block in self.blocks():
            if is_frozen(block.modules):
                block.modules.eval()
        return self


def is_frozen(module: nn.Module) -> bool:
    """Whether no parameter of the module requires a gradient."""
    return not any(parameter.requires_grad for parameter in module.parameters())


def frames_mask(frames: Tensor, longest: int) -> Tensor:
    """Mask (B, T) of clips with so many frames (B,)."""
    return torch.arange(longest, device=frames.device) < frames[:, None]


def silence_after(waveform: Tensor, lengths: Tensor) -> Tensor:
    """Waveform (B, N) with zeros behind each clip's length."""
    return waveform * frames_mask(lengths, waveform.shape[1])


def parameter_count(modules: Iterable[nn.Module]) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for module in modules for parameter in module.parameters())
