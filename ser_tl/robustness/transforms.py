"""Transforms of training, applied to one clip for a check."""

import numpy as np
import torch

from ser_tl.augment import BatchRng, Transform
from ser_tl.augment.base import WaveformTransform
from ser_tl.errors import ConfigError
from ser_tl.robustness.change import Function


def transform(augmentation: Transform) -> Function:
    """A function that applies a transform to a clip.

    Args:
        augmentation: of waveforms, its probability 1

    Raises:
        ConfigError: it isn't of waveforms
    """
    if not isinstance(augmentation, WaveformTransform):
        raise ConfigError(f"the transform {augmentation.name} doesn't change waveforms")

    def change(waveform: np.ndarray, draws: BatchRng) -> np.ndarray:
        clip, lengths = torch.from_numpy(np.ascontiguousarray(waveform))[None], torch.tensor([len(waveform)])
        changed = augmentation(clip, lengths, draws)
        return changed.waveform[0, : int(changed.lengths[0])].numpy()

    return change
