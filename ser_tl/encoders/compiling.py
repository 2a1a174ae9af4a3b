"""Transformer layers as compiled code: minutes of compilation for faster steps, on a GPU.

Layer by layer rather than the encoder as a whole: layers share their code, so that one compilation serves all of them,
and what goes on around them (lengths, masks, blocks that begin to move) may differ from batch to batch.
"""

from collections.abc import Iterator

from torch import nn

from ser_tl.encoders.base import Encoder
from ser_tl.errors import ConfigError


def transformer_layers(encoder: Encoder) -> Iterator[nn.Module]:
    """The encoder's transformer layers, lowest first; none where it isn't one of transformers'."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    for block in encoder.blocks():
        yield from (module for module in block.modules if isinstance(module, GradientCheckpointingLayer))


def compile_layers(encoder: Encoder, backend: str = "inductor") -> None:
    """Lets `torch.compile` make code of the encoder's transformer layers when they are first called.

    Parameters, their names and saved files don't change.

    Args:
        encoder: whose layers they are
        backend: of torch.compile

    Raises:
        ConfigError: the encoder has no transformer layers
    """
    layers = list(transformer_layers(encoder))
    if not layers:
        raise ConfigError(f"train.compile is for transformers' encoders, and {encoder.family} isn't one: leave it out")
    for layer in layers:
        layer.compile(dynamic=True, backend=backend)  # dynamic: each batch has a length of its own
