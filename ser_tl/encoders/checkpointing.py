"""Gradient checkpointing: memory for time.

A layer that learns keeps what goes into it alone, and is run again in the backward pass (Chen et al. 2016, "Training
deep nets with sublinear memory cost"): a third more time, and memory for one layer's inside instead of all of theirs.
"""

from ser_tl.encoders.base import Encoder
from ser_tl.errors import ConfigError


def checkpoint_layers(encoder: Encoder) -> None:
    """Lets the encoder's transformer layers be run again instead of kept; layers that are frozen keep nothing anyway.

    Raises:
        ConfigError: the encoder has no transformer layers
    """
    from transformers import PreTrainedModel

    models = [module for module in encoder.modules() if isinstance(module, PreTrainedModel)]
    if not models:
        raise ConfigError(
            f"train.checkpointing is for transformers' encoders, and {encoder.family} isn't one: leave it out"
        )
    for model in models:
        model.activation_checkpointing_enable()
