"""Which prunings reach a target: for each number of layers the widest feed-forward networks that do.

    model, target size or speed --find_plans()--> [Plan], none of which has more layers and wider networks than another

Which of them costs the least is for whoever fits their classifiers. Sizes are computed, times measured.
"""

from typing import NamedTuple

import torch

from ser_tl.compress.cost import measure_times
from ser_tl.compress.pruning import cut_channels, inner_width, keep_layers, parameter_bytes
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel

SHARES = (1.0, 0.75, 0.5, 0.375, 0.25)
"""Shares of inner channels that are tried."""


class Plan(NamedTuple):
    """A pruning.

    Attributes:
        layers: transformer layers that stay
        ffn: share of the inner channels of their feed-forward networks that stay
    """

    layers: int
    ffn: float

    def __str__(self) -> str:
        """In words."""
        return f"{self.layers} layers, {100 * self.ffn:g} % of the feed-forward channels"


def find_plans(
    model: EmotionModel, *, target_size: float | None = None, target_speed: float | None = None
) -> list[Plan]:
    """The prunings that reach the targets.

    Args:
        model: what is pruned
        target_size: share of the model's bytes that are left at most
        target_speed: how many times as fast as the model, in torch, at least

    Raises:
        ConfigError: a target that nothing reaches; the message has the smallest and fastest
    """
    if target_size is not None and not 0.0 < target_size < 1.0:
        raise ConfigError(f"target_size is {target_size:g}: expected a share of the model's size, between 0 and 1")
    if target_speed is not None and not target_speed > 1.0:
        raise ConfigError(f"target_speed is {target_speed:g}: expected how many times as fast, more than 1")
    plans: list[Plan] = []
    least, fastest = 1.0, 1.0
    whole = keep_layers(model, len(model.encoder.feed_forwards))
    for layers in range(len(whole.encoder.feed_forwards), 0, -1):
        fewer = keep_layers(model, layers)
        for share in SHARES:
            if plans and share <= plans[-1].ffn:
                break  # more layers are as narrow and reach it, too
            sample = sample_pruned(fewer, share)
            size = parameter_bytes(sample) / parameter_bytes(model)
            speed = 1.0
            if target_speed is not None:
                times = measure_times({"model": model, "pruned": sample})
                speed = times["model"] / times["pruned"]
            least, fastest = min(least, size), max(fastest, speed)
            if (target_size is None or size <= target_size) and (target_speed is None or speed >= target_speed):
                plans.append(Plan(layers, share))
                break
    if not plans:
        reached = f"{100 * least:.0f} % of the size" + ("" if target_speed is None else f" and {fastest:.1f} times")
        raise ConfigError(
            f"no pruning reaches the target: the smallest, a layer of {100 * SHARES[-1]:g} % width, has {reached}; "
            f"ask for less, quantise what is pruned (ser-tl export --quantize int8), or distil a smaller encoder"
        )
    return plans


def sample_pruned(model: EmotionModel, share: float) -> EmotionModel:
    """A model of the size and speed that a pruning gives, whatever it computes."""
    networks = model.encoder.feed_forwards
    count = inner_width(networks[0].expand.out_features, share)
    return cut_channels(model, [torch.arange(count)] * len(networks))
