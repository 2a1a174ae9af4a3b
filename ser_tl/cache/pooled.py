"""Pooled clips: one or two frames, with the same pooled statistics as all frames of a clip.

    CachedClips --pool_clips--> state (T, D) of each layer as state (1 or 2, D), kept in memory after the first epoch

What stands between cached states and the pooling scales and shifts each channel by itself (`FeatureNorm`, `LayerMix`),
unless the model is configured otherwise. Mean, deviation, maximum and last frame pass through that, whatever its
weights are: the pooled vector and every gradient are those of all frames, and an epoch no longer reads or pools them.
What is measured over frames besides, mean and deviation of those of many clips, follows from `Batch.moments`. So the
feature cache keeps no more of such a clip than its summary.
"""

import numpy as np
import torch
from torch import nn

from ser_tl.cache.cached import CachedClips
from ser_tl.cache.summaries import Reduce, Summary, shorten
from ser_tl.data.batching import Clips, PackedState
from ser_tl.model import EmotionModel

REDUCE: dict[str, Reduce] = {
    "mean": lambda summary: torch.zeros_like(summary.mean),
    "stats": lambda summary: torch.cat([-summary.deviation, summary.deviation]),
    "max": lambda summary: summary.peak,
    "last": lambda summary: summary.last,
}
"""By the pooling's name, from a summary to few frames (1 or 2, D), less the mean."""


def find_reduction(model: EmotionModel) -> Reduce | None:
    """The function from a layer's summary to few frames; None where the model reads more than these."""
    apart = model.config.join == "concat" or len(model.layers) == 1
    plain = model.network is None and isinstance(model.project, nn.Identity) and isinstance(model.fuse, nn.Identity)
    return REDUCE.get(model.pooling_name) if apart and plain else None


def pool_clips(clips: Clips, model: EmotionModel) -> Clips:
    """The clips with few frames, where the model's output is the same; else the clips themselves.

    Args:
        clips: for training
        model: what is trained on them
    """
    reduce = find_reduction(model)
    if reduce is None or not isinstance(clips, CachedClips) or not clips.layers >= set(model.layers):
        return clips
    return PooledClips(clips, reduce)


class PooledClips(CachedClips):
    """Cached clips of few frames.

    Args:
        cached: the clips; their crops, seed and epoch are followed
        reduce: from a layer's summary to few frames
    """

    def __init__(self, cached: CachedClips, reduce: Reduce) -> None:
        super().__init__(cached.clips, cached.files, cached.lengths, cached.reduce)
        self.few = reduce
        self.states: dict[tuple[int, int], dict[int, PackedState]] = {}  # by clip and window

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
        key = index, window
        if key not in self.states:
            states = super().read(index, window)
            self.states[key] = {
                layer: state if state.frames else shorten(Summary.from_mean(state.mean, state.residual), self.few)
                for layer, state in states.items()
            }
        return self.states[key]
