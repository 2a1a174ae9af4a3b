"""What a model must know of the training speech before its first step: means and deviations.

    training speech -> encoder -> mean, deviation of each layer's channels -> pooling -> mean, deviation of the
    embedding

Measured on a seeded sample of ten minutes, which is 30 000 frames: enough for a mean, and cheap on any corpus. In
float32, whatever precision the training has.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from ser_tl.data.batching import Batch, Clips
from ser_tl.inference.clips import Pass, pool_batch, run_clips
from ser_tl.inference.moments import state_moments
from ser_tl.model import EmotionModel
from ser_tl.modules.feature_norm import FeatureNorm, Moments

SAMPLE_SECONDS = 600.0
"""How much training speech is measured."""


def fit_statistics(model: EmotionModel, clips: Clips, how: Pass, *, seed: int, embedding: bool = True) -> None:
    """Sets what the model's `FeatureNorm` modules take out. Every process calls it and gets the same values.

    Args:
        model: the model, on the processes' device
        clips: the training part, as it is in evaluation
        how: the processes, and the size of batches
        seed: chooses the sample
        embedding: also the embedding's; False where something else sets these
    """
    if not model.config.standardise:
        return
    sample = _sample(clips.seconds, seed)
    processes = how.processes

    def states(batch: Batch) -> list[Moments]:
        return state_moments(model, batch)

    def embeddings(batch: Batch) -> list[Moments]:
        return [Moments.from_rows(pool_batch(model, batch))]

    measured: Sequence[tuple[FeatureNorm | None, Callable[[Batch], list[Moments]]]] = [
        (model.standardise_states, states),
        (model.standardise_embedding if embedding else None, embeddings),
    ]
    for module, values in measured:
        if module is None:
            continue
        moments = Moments.from_rows(torch.zeros(0, *module.mean.shape, device=processes.device))
        for step in run_clips([model], clips, values, how, chosen=sample, autocast=False):
            for part in step.value:
                moments = moments.add(part)
        module.fit(Moments(*(processes.sum(part) for part in moments)))


def _sample(seconds: Sequence[float], seed: int) -> list[int]:
    """Clips in random order, as many as it takes to reach `SAMPLE_SECONDS`."""
    order = np.random.default_rng(seed).permutation(len(seconds))
    reached = np.cumsum(np.asarray(seconds)[order])
    return order[: int(np.searchsorted(reached, SAMPLE_SECONDS)) + 1].tolist()
