"""Clips cut down to the one or two frames that a pooling without weights can't tell from all of them.

    CachedClips --condensed--> State (T, D) of each layer as State (1 or 2, D), kept in memory after the first epoch

What stands between cached states and the pooling scales and shifts each channel by itself (`FeatureNorm`, `LayerMix`),
unless the model is told otherwise. Mean, deviation, maximum and last frame pass through that, whatever its weights are:
the pooled vector and every gradient are those of all frames, and an epoch no longer reads or pools them. For training
steps alone: what is measured frame by frame needs all frames.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from ser_tl.cache.cached import CachedClips
from ser_tl.data.batching import Clips, PackedState
from ser_tl.model import EmotionModel


def _two_frames(rest: Tensor) -> Tensor:
    """Two frames with the mean and the deviation of all."""
    mean, deviation = rest.mean(dim=0), rest.std(dim=0, correction=0)
    return torch.stack([mean - deviation, mean + deviation])


REDUCE: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda rest: rest.mean(dim=0, keepdim=True),
    "stats": _two_frames,
    "max": lambda rest: rest.amax(dim=0, keepdim=True),
    "last": lambda rest: rest[-1:],
}
"""By the pooling's name, from all frames (T, D) to few (1 or 2, D)."""


def reduction(model: EmotionModel) -> Callable[[Tensor], Tensor] | None:
    """From all frames (T, D) of a layer to the few that the model can't tell from them; None where it always can."""
    apart = model.config.join == "concat" or len(model.layers) == 1
    plain = model.network is None and isinstance(model.project, nn.Identity) and isinstance(model.fuse, nn.Identity)
    return REDUCE.get(model.pooling_name) if apart and plain else None


def condensed(clips: Clips, model: EmotionModel) -> Clips:
    """The clips with few frames, where the model can't tell; else the clips themselves.

    Args:
        clips: for training
        model: what is trained on them
    """
    reduce = reduction(model)
    if reduce is None or not isinstance(clips, CachedClips) or not clips.layers >= set(model.layers):
        return clips
    return CondensedClips(clips, reduce)


class CondensedClips(CachedClips):
    """Cached clips of few frames.

    Args:
        cached: the clips; their crops, seed and epoch are followed
        reduce: from all frames (T, D) of a layer to few
    """

    def __init__(self, cached: CachedClips, reduce: Callable[[Tensor], Tensor]) -> None:
        super().__init__(cached.clips, cached.files, cached.lengths)
        self.reduce = reduce
        self.held: dict[tuple[int, int], dict[int, PackedState]] = {}  # by clip and window

    @property
    def seconds(self) -> list[float]:
        """The clips' mean length for each of them, so that batches are drawn from all clips alike.

        Few frames need no padding, and batches of like length are a biased sample of a corpus: an alignment would
        compare the short clips of one domain with the long ones of the other. Without the cache, where clips have to be
        padded, the same training has other batches.
        """
        lengths = super().seconds
        return [float(np.mean(lengths))] * len(lengths)

    def read(self, index: int, window: int) -> dict[int, PackedState]:
        """The few frames of a window, from the disk once and then from memory."""
        place = index, window
        if place not in self.held:
            states = super().read(index, window)
            self.held[place] = {
                layer: PackedState(state.mean, self.reduce(state.residual.float())) for layer, state in states.items()
            }
        return self.held[place]
