"""What all frames of a clip come to, whether a batch brings them or only few of them and their moments.

Batch --state_moments--> Moments of each clip, which add up to those of a speaker or a corpus
      --clip_statistics--> mean and deviation over time (L, B, 2D)
"""

import torch
from torch import Tensor

from ser_tl.data.batching import Batch, ClipMoments
from ser_tl.inference.clips import encode_batch
from ser_tl.model import EmotionModel
from ser_tl.modules.feature_norm import Moments
from ser_tl.modules.pooling import Stats

_LEAST = 1e-3  # of a deviation, as in `Stats`


def state_moments(model: EmotionModel, batch: Batch) -> list[Moments]:
    """The moments of each clip's frames, of shape (L, 1, 1, D), in the order of the model's layers."""
    if batch.moments is None:
        hidden = encode_batch(model, batch)
        rows = (hidden.states[:, clip, hidden.mask[clip]].transpose(0, 1) for clip in range(len(batch.ids)))
        return [Moments.from_rows(frames[:, :, None, None]) for frames in rows]  # of (frames, L, 1, 1, D)
    mean, deviation = (part[:, :, None].double() for part in _of_layers(model, batch, batch.moments))
    squares = mean.square() + deviation.square()  # (L, B, 1, 1, D)
    counts = batch.moments.frames.double().unbind()
    return [Moments(count, count * mean[:, clip], count * squares[:, clip]) for clip, count in enumerate(counts)]


def clip_statistics(model: EmotionModel, batch: Batch) -> Tensor:
    """Mean and deviation of each clip's frames (L, B, 2D) float32, in the order of the model's layers."""
    if batch.moments is None:
        states, mask = encode_batch(model, batch)
        pool = Stats(states.shape[-1])
        return torch.stack([pool(frames.float(), mask) for frames in states])
    mean, deviation = _of_layers(model, batch, batch.moments)
    return torch.cat([mean, deviation.clamp_min(_LEAST)], dim=-1).squeeze(2)


def _of_layers(model: EmotionModel, batch: Batch, moments: ClipMoments) -> tuple[Tensor, Tensor]:
    """Mean and deviation (L, B, 1, D) of the layers that the model uses."""
    index = [batch.layers.index(layer) for layer in model.layers]
    return moments.mean[index], moments.deviation[index]
