"""What transformers' pre-norm encoders have in common: layers in a row, and a norm behind the last.

    frames, mask --layers from one on--> states;  feed_forward makes each wider by what is behind its layer's GELU

A family adds its front end, what its layers take besides, and where their feed-forward networks are. Whisper and
Moonshine are such families; wav2vec 2.0 and its kin have layouts of their own (`speech_ssl`).
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers.masking_utils import create_bidirectional_mask

from ser_tl.encoders.base import AdapterTargets, Block, Encoder
from ser_tl.errors import EncoderError


class Sizes(NamedTuple):
    """What an architecture's sizes are called in its config.

    Attributes:
        width: channels of a layer's output
        layers: how many there are
        inner: channels behind a feed-forward network's GELU
    """

    width: str
    layers: str
    inner: str


class PreNormEncoder(Encoder):
    """An encoder of transformers whose layers norm what they take in.

    Args:
        model: transformers' encoder, with `layers` and `layer_norm`
        feed_forward: make each layer's state wider by what its feed-forward network holds behind the GELU
        final_norm: the last state is after the final layer norm; not of an encoder whose upper layers were taken away

    Shape:
        waveform (B, N) at 16 kHz, lengths (B,) -> states (L, B, T, D), mask (B, T). State 0 is what the first layer
        takes in; with `feed_forward` it is the first layer's, and there is one state less
    """

    adapter_targets = AdapterTargets(("q_proj", "v_proj"), ("k_proj", "v_proj"), ("fc2",))  # Hu et al. 2021, 7.1
    sizes: ClassVar[Sizes]

    def __init__(self, model: Any, *, feed_forward: bool, final_norm: bool) -> None:  # noqa: ANN401 - no common type
        super().__init__()
        self.feed_forward = feed_forward
        self.final_norm = final_norm
        self.model: Any = model
        if not final_norm:
            self.model.layer_norm = nn.Identity()
        width, layers, inner = (getattr(model.config, name) for name in self.sizes)
        self.width = width  # channels of a layer's output, the first in a state
        self.dim = width + (inner if feed_forward else 0)
        self.num_states = layers + (0 if feed_forward else 1)

    @property
    def switches(self) -> dict[str, bool]:
        """Those that are on."""
        return {"feed_forward": True} if self.feed_forward else {}

    @property
    def config(self) -> dict[str, Any]:
        """Architecture, and the switches that differ from what is usual."""
        config = {"architecture": self.model.config.to_diff_dict(), **self.switches}
        return config if self.final_norm else config | {"final_norm": False}

    def shrunken_config(self, layers: int, width: int) -> dict[str, Any]:
        """The same with fewer layers and inner channels."""
        config, names, sizes = self.config, self.sizes, self.model.config
        if self.feed_forward and width != getattr(sizes, names.inner):
            raise EncoderError(
                "encoder_options.feed_forward makes the feed-forward networks' inner channels part of each state, so "
                "none can be taken away: leave fewer layers instead (`layers`), or train without feed_forward"
            )
        smaller = {names.layers: layers, names.inner: width}
        cut = layers < getattr(sizes, names.layers)
        return config | {"architecture": config["architecture"] | smaller} | ({"final_norm": False} if cut else {})

    @property
    @abstractmethod
    def front(self) -> list[nn.Module]:
        """The front end's modules with weights."""

    def blocks(self) -> list[Block]:
        """Front end, then one block a transformer layer; the final layer norm goes with the last."""
        layers: list[list[nn.Module]] = [[layer] for layer in self.model.layers]
        layers[-1].append(self.model.layer_norm)
        return [
            Block("front end", nn.ModuleList(self.front)),
            *(Block(f"layer {number}", nn.ModuleList(layer)) for number, layer in enumerate(layers, 1)),
        ]

    def first_state(self, frames: Tensor, mask: Tensor) -> Tensor:
        """State 0, from what goes into the first layer."""
        return next(self._layers(frames, mask, 0)) if self.feed_forward else frames

    def iter_layers(self, state: Tensor, mask: Tensor, layer: int) -> Iterator[Tensor]:
        """What comes out of each layer above; of the last, after the final norm."""
        return self._layers(state[..., : self.width], mask, layer + self.feed_forward)

    def _layers(self, frames: Tensor, mask: Tensor, first: int) -> Iterator[Tensor]:
        """The states of all layers from `first` (0 is the lowest) on, from what that layer takes in."""
        attend = create_bidirectional_mask(config=self.model.config, inputs_embeds=frames, attention_mask=mask)
        options = self.layer_options(frames)
        for number, block in enumerate(self.model.layers[first:], first + 1):
            inside = None
            if self.feed_forward:
                frames, inside = self._tap(block, frames, attend, **options)
            else:
                frames = block(frames, attend, **options)
            state = self.model.layer_norm(frames) if number == len(self.model.layers) else frames
            yield state if inside is None else torch.cat([state, inside], dim=-1)

    def layer_options(self, frames: Tensor) -> dict[str, Any]:  # noqa: ARG002 - most take none
        """What the layers take beside frames and mask, by name: rotary positions."""
        return {}

    def _tap(self, block: Any, *inputs: Any, **options: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        if block.gradient_checkpointing and block.training:
            return checkpoint(self.run_layer, block, *inputs, use_reentrant=False, **options)
        return self.run_layer(block, *inputs, **options)

    @staticmethod
    @abstractmethod
    def run_layer(block: Any, frames: Tensor, attend: Tensor | None, **options: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        """A layer's output for frames, and the activations of its feed-forward network after the GELU.

        The layer's own parts in its own order: it gives no such thing away itself.
        """
