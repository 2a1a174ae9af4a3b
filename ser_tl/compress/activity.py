"""How the inner channels of feed-forward networks behave on speech: means and covariances, without labels.

    model, clips --measure_activity()--> Activity of each transformer layer that the model uses

The inner channels are what goes into a network's second layer, behind the activation. Ten minutes of speech are 30 000
frames, enough for the covariance of a few thousand channels. Frames of padding don't count.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ser_tl.data.batching import Batch, Clips
from ser_tl.inference.clips import Pass, encode_batch, run_clips
from ser_tl.model import EmotionModel

SAMPLE_SECONDS = 600.0
"""How much speech is measured."""


@dataclass
class Activity:
    """Sums over frames, of a layer's F inner channels.

    Args:
        frames: how many
        total: (F,) float64, the sum of the channels
        products: (F, F) float64, the sum of the products of each two
    """

    frames: Tensor
    total: Tensor
    products: Tensor

    @classmethod
    def empty(cls, width: int) -> "Activity":
        """That of no frame."""
        return cls(*(torch.zeros(shape, dtype=torch.float64) for shape in ((), (width,), (width, width))))

    def add(self, inner: Tensor) -> None:
        """Counts frames (n, F) in."""
        inner = inner.detach().float().cpu()
        self.frames += len(inner)
        self.total += inner.sum(dim=0, dtype=torch.float64)
        self.products += inner.T @ inner

    @property
    def mean(self) -> Tensor:
        """(F,) float64."""
        return self.total / self.frames

    @property
    def covariance(self) -> Tensor:
        """(F, F) float64."""
        return self.products / self.frames - torch.outer(self.mean, self.mean)


def measure_activity(model: EmotionModel, clips: Clips, how: Pass, *, seed: int = 0) -> list[Activity]:
    """The activity of each feed-forward network, lowest first. Every process calls it and gets the same.

    Args:
        model: on the processes' device, without layers above those that it uses
        clips: speech like that which the model is for, as it is in evaluation
        how: the processes, and the size of batches
        seed: chooses the sample
    """
    networks = [network.contract for network in model.encoder.feed_forwards]
    activities = [Activity.empty(network.in_features) for network in networks]
    inner: dict[int, Tensor] = {}

    def keep(number: int) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def hook(_: nn.Module, given: tuple[Any, ...]) -> None:
            inner[number] = given[0]

        return hook

    def measure(batch: Batch) -> None:
        inner.clear()
        mask = encode_batch(model, batch).mask
        for number, values in inner.items():
            activities[number].add(values[mask])

    handles = [network.register_forward_pre_hook(keep(number)) for number, network in enumerate(networks)]
    try:
        for _ in run_clips([model], clips, measure, how, chosen=_sample(clips.seconds, seed), autocast=False):
            pass
    finally:
        for handle in handles:
            handle.remove()
    add = how.processes.sum
    return [Activity(add(layer.frames), add(layer.total), add(layer.products)) for layer in activities]


def _sample(seconds: list[float], seed: int) -> list[int]:
    """Clips in random order, as many as it takes to reach `SAMPLE_SECONDS`."""
    order = np.random.default_rng(seed).permutation(len(seconds))
    reached = np.cumsum(np.asarray(seconds)[order])
    return order[: int(np.searchsorted(reached, SAMPLE_SECONDS)) + 1].tolist()
