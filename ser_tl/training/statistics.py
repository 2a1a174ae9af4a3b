"""What a model must know of the training speech before its first step: means and deviations.

    training speech -> encoder -> mean, deviation of each layer's channels -> pooling -> mean, deviation of the
    embedding

Measured on a seeded sample of ten minutes, which is 30 000 frames: enough for a mean, and cheap on any corpus.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from ser_tl.data.batching import Batch, Clips, plan_batches
from ser_tl.model import EmotionModel
from ser_tl.standardise import Moments, Standardise
from ser_tl.training.config import TrainConfig
from ser_tl.training.processes import own_batches

SAMPLE_SECONDS = 600.0
"""How much training speech is measured."""


@torch.no_grad()
def fit_statistics(
    model: EmotionModel, clips: Clips, accelerator: Accelerator, config: TrainConfig, *, seed: int
) -> None:
    """Sets what the model's `Standardise` modules take out. Every process calls it and gets the same values.

    Args:
        model: the model, on the accelerator's device
        clips: the training part, as it is in evaluation
        accelerator: whose processes share the work
        config: batch size and workers
        seed: chooses the sample
    """
    if not model.config.standardise:
        return
    seconds = clips.seconds
    sample = _sample(seconds, seed)
    within = [seconds[clip] for clip in sample]
    plan = plan_batches(within, config.batch_seconds, processes=accelerator.num_processes)
    plan = [[[sample[place] for place in batch] for batch in step] for step in plan]
    model.eval()

    def states(batch: Batch) -> Tensor:
        hidden = model.states(batch)
        return hidden.states[:, hidden.mask].transpose(0, 1)[:, :, None, None]  # (frames, L, 1, 1, D)

    def embeddings(batch: Batch) -> Tensor:
        return model.pooling(*model.frames(batch))  # (B, E)

    measured: Sequence[tuple[Standardise | None, Callable[[Batch], Tensor]]] = [
        (model.standardise_states, states),
        (model.standardise_embedding, embeddings),
    ]
    for module, values in measured:
        if module is None:
            continue
        moments = Moments.of(torch.zeros(0, *module.mean.shape, device=accelerator.device))
        for batch in own_batches(clips, plan, accelerator, config.workers):
            moments = moments.plus(Moments.of(values(batch)))
        module.fit(Moments(*(accelerator.reduce(part, "sum") for part in moments)))


def _sample(seconds: Sequence[float], seed: int) -> list[int]:
    """Clips in random order, as many as it takes to reach `SAMPLE_SECONDS`."""
    order = np.random.default_rng(seed).permutation(len(seconds))
    reached = np.cumsum(np.asarray(seconds)[order])
    return order[: int(np.searchsorted(reached, SAMPLE_SECONDS)) + 1].tolist()
