"""Transforms of training, applied to one clip for a check."""

import numpy as np
import torch

from ser_tl.augment import BatchRng, Transform
from ser_tl.augment.base import WaveformTransform
from ser_tl.errors import ConfigError
from ser_tl.robustness.change import Function


def transform(made: Transform) -> Function:
    """What a transform does to a clip.

    Args:
        made: of waveforms, its probability 1

    Raises:
        ConfigError: it isn't of waveforms
    """
    if not isinstance(made, WaveformTransform):
        raise ConfigError(f"the transform {made.name} doesn't change waveforms")

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:
        clip, lengths = torch.from_numpy(np.ascontiguousarray(waveform))[None], torch.tensor([len(waveform)])
        changed = made(clip, lengths, draws)
        return changed.waveform[0, : int(changed.lengths[0])].numpy()

    return change
