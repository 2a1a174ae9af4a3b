"""The interface of encoders: 16 kHz audio in, the hidden states of their layers out.

    waveform (B, N), lengths (B,) --Encoder--> EncoderOutput(states (L, B, T, D), mask (B, T))
    state (B, T, D), mask (B, T) --Encoder.resume--> the states above it
    mel (B, F, bands), frames (B,) --OnMel--> mel, on the way through an encoder that has one (`has_mel`)

An encoder owns its front end (normalisation, log-mel, resampling): callers only ever hold 16 kHz audio. States are
computed one after the other and only as far as they are asked for, from audio or from a cached state. `requires_grad`
alone says what is frozen: a block none of whose parameters requires a gradient is frozen, stays in evaluation mode and
keeps no graph.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from ser_tl.errors import ConfigError, EncoderError
from ser_tl.modules.graph import length_mask
from ser_tl.registry import Registry

FAMILIES: Registry[type["Encoder"]] = Registry("encoder family", "ser_tl.encoder_families")
"""Encoder classes by the `model_type` that stands in a checkpoint's config.json."""


OnMel = Callable[[Tensor, Tensor], Tensor]
"""From a log-mel spectrogram (B, F, bands), and the frames of each clip (B,), to another one of the same shape."""


class EncoderOutput(NamedTuple):
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


class AdapterTargets(NamedTuple):
    """The layers of an encoder that get adapters, by their names or the names of what holds them.

    Attributes:
        lora: those whose weights LoRA changes
        scaled: keys and values, whose output IA3 scales (Liu et al. 2022)
        feed_forward: second layer of the feed-forward part, whose input IA3 scales; LoRA's where attention takes none
        convolutions: whether adapters may go into convolutions
        closed: classes of modules that use their layers' weights without calling the layers
    """

    lora: tuple[str, ...]
    scaled: tuple[str, ...] = ()
    feed_forward: tuple[str, ...] = ()
    convolutions: bool = False
    closed: tuple[type[nn.Module], ...] = ()


class FeedForward(NamedTuple):
    """The feed-forward network of a transformer layer.

    Attributes:
        expand: to the inner channels (D -> F), which an activation follows
        contract: from the inner channels (F -> D)
    """

    expand: nn.Linear
    contract: nn.Linear


class Encoder(nn.Module, ABC):
    """From 16 kHz audio to layers of frame states: a pretrained network, or features computed without weights.

    Attributes:
        family: its name in `FAMILIES`
        dim: channels of a state, D
        num_states: number of states a frame, L: each of the top L - 1 blocks makes one of them, those below make the
            first
        frame_rate: frames a second
        max_seconds: the longest clip it takes; None where there is no limit
        has_mel: whether a log-mel spectrogram is on its way, which `on_mel` can change
        why_not_exportable: what keeps it out of a graph (torch.export, ONNX), for messages; empty where nothing does
        adapter_targets: where adapters go in it; None where it takes none
        weight_files: suffixes of files of published weights that stand for an encoder, as ".npy"

    Shape:
        waveform (B, N) float32 at 16 kHz, lengths (B,) samples -> states (L, B, T, D), mask (B, T)
    """

    family: str
    dim: int
    num_states: int
    frame_rate: float
    max_seconds: float | None = None
    has_mel: bool = False
    why_not_exportable: str = ""
    adapter_targets: AdapterTargets | None = None
    weight_files: tuple[str, ...] = ()

    @property
    def sources(self) -> list[int]:
        """Channels of each encoder that this one is made of, in the order in which they stand in a state."""
        return [self.dim]

    @property
    def layer_widths(self) -> list[int]:
        """Channels of each layer that a state holds side by side, in the order in which they stand in it."""
        return [self.dim]

    @abstractmethod
    def embed_frames(self, waveform: Tensor, lengths: Tensor, on_mel: OnMel | None = None) -> tuple[Tensor, Tensor]:
        """State 0 of padded clips, (B, T, D), and the mask (B, T).

        Args:
            waveform: (B, N)
            lengths: (B,)
            on_mel: as of `forward`; None for encoders that have no log-mel spectrogram
        """

    def iter_layers(self, state: Tensor, mask: Tensor, layer: int) -> Iterator[Tensor]:  # noqa: ARG002
        """The states of the layers above one, each computed when asked for; none if an encoder has one.

        Args:
            state: what the block above takes in, (B, T, D)
            mask: (B, T)
            layer: the state's index, from 0; not the last, which is after the final norm
        """
        return iter(())

    def forward(
        self,
        waveform: Tensor,
        lengths: Tensor,
        layers: Sequence[int] | None = None,
        *,
        on_mel: OnMel | None = None,
    ) -> EncoderOutput:
        """Encodes padded clips; what stands behind a clip's length never changes its states.

        Args:
            waveform: (B, N) at 16 kHz
            lengths: samples of each clip, (B,)
            layers: indices of the states that are wanted, from 0, in the order wanted; all if None. Nothing above the
                highest is computed, and a state is the same whether or not those above it are
            on_mel: augmentation of the log-mel spectrogram, in training

        Raises:
            EncoderError: `on_mel` for an encoder that has no such spectrogram
        """
        if on_mel is not None and not self.has_mel:
            raise EncoderError(
                f"on_mel changes a log-mel spectrogram, and {self.family} has none: leave it out, or take whisper, "
                f"vggish, logmel or mfcc"
            )
        first, mask = self.embed_frames(waveform, lengths, on_mel)
        states = chain([first], self.iter_layers(first, mask, 0))
        return EncoderOutput(_collect_states(states, 0, range(self.num_states) if layers is None else layers), mask)

    def resume(self, state: Tensor, mask: Tensor, layer: int, layers: Sequence[int]) -> Tensor:
        """The states that `forward` would compute, from one that it computed before.

        Args:
            state: (B, T, D)
            mask: (B, T)
            layer: the state's index
            layers: indices of the states that are wanted, all of them above it

        Returns:
            (len(layers), B, T, D)
        """
        return _collect_states(self.iter_layers(state, mask, layer), layer + 1, layers)

    def check_exportable(self) -> None:
        """Refuses an encoder that no graph can hold by an EncoderError, with the reason and the way out."""
        if self.why_not_exportable:
            raise EncoderError(
                f"the encoder {self.family} can't be exported: {self.why_not_exportable}. Use the model from Python, "
                f"or train one on another encoder (mfcc and logmel need no weights either)"
            )

    @abstractmethod
    def blocks(self) -> list[Block]:
        """All parameters, each in one block, input side first; none where features are computed without weights."""

    def blocks_below(self, layer: int) -> list[Block]:
        """The blocks that a state depends on, input side first.

        Args:
            layer: the state's index, from 0
        """
        blocks = self.blocks()
        return blocks[: len(blocks) - (self.num_states - 1) + layer]

    @property
    def feed_forwards(self) -> list[FeedForward]:
        """The feed-forward networks of its transformer layers, lowest first; none without such layers."""
        return []

    def shrunken_config(self, layers: int, width: int) -> dict[str, Any]:  # noqa: ARG002
        """The `config` of the same encoder with fewer transformer layers and narrower feed-forward networks.

        A state of a layer that is left is what it was: one that was followed by others gets no final norm.

        Args:
            layers: how many are left, from the lowest
            width: inner channels of each feed-forward network

        Raises:
            EncoderError: an encoder that can't have less
        """
        raise EncoderError(f"the encoder {self.family} has no transformer layers that could be pruned")

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
        """The encoder of a local folder or hub id; EncoderError where the checkpoint lacks weights of it.

        Families may take options of their own, as keyword arguments.
        """

    def train(self, mode: bool = True) -> Self:
        """Training mode for the trainable blocks; a frozen block stays in evaluation mode (dropout, BatchNorm)."""
        super().train(mode)
        for block in self.blocks():
            if is_frozen(block.modules):
                block.modules.eval()
        return self


def select_layers(num_states: int, layers: Sequence[int] | None) -> list[int]:
    """The indices of the states that are used, counted from the start.

    Args:
        num_states: states there are, L
        layers: the wish, negative from the end; all if None

    Raises:
        ConfigError: a layer that the encoder doesn't have, or one named twice
    """
    wanted = list(range(num_states)) if layers is None else list(layers)
    if not wanted or any(not -num_states <= layer < num_states for layer in wanted):
        raise ConfigError(
            f"model.layers is {wanted}: the encoder has {num_states} layers of states, numbered 0 to "
            f"{num_states - 1} (or -{num_states} to -1); name at least one of them"
        )
    chosen = [layer % num_states for layer in wanted]
    if len(set(chosen)) < len(chosen):
        raise ConfigError(f"model.layers is {wanted}: it names a layer twice")
    return chosen


def _collect_states(states: Iterator[Tensor], first: int, layers: Collection[int]) -> Tensor:
    """The wanted ones of states that begin at index `first`, stacked; no more are asked for."""
    indices = range(first, max(layers) + 1)  # first in the zip, which stops there before it asks for a state
    wanted = {index: state for index, state in zip(indices, states, strict=False) if index in layers}
    collected = [wanted[layer] for layer in layers]
    return collected[0][None] if len(collected) == 1 else torch.stack(collected)


def is_frozen(module: nn.Module) -> bool:
    """Whether no parameter of the module requires a gradient."""
    return not any(parameter.requires_grad for parameter in module.parameters())


def frames_mask(frames: Tensor, longest: int) -> Tensor:
    """Mask (B, T) of clips with the given numbers of frames (B,)."""
    return length_mask(frames, longest)


def zero_padding(waveform: Tensor, lengths: Tensor) -> Tensor:
    """Waveform (B, N) with zeros behind each clip's length."""
    return waveform * frames_mask(lengths, waveform.shape[1])


def count_parameters(modules: Iterable[nn.Module]) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for module in modules for parameter in module.parameters())
