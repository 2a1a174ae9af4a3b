"""The classifier fitted anew, in closed form, on all training speakers.

    train + dev -> model -> embeddings, gathered over the processes -> discriminant -> the model's head

The epoch is chosen on dev speakers and stays; after that nothing is left for them to choose, and with twenty speakers
two more are worth having. What the discriminant itself has to choose, it chooses on training speakers held out in turn.
"""

from collections.abc import Sequence

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from ser_tl.data.batching import Clips, plan_batches
from ser_tl.discriminant import fit_discriminant
from ser_tl.model import EmotionModel
from ser_tl.self_training import fit_self_trained
from ser_tl.training.config import TrainConfig
from ser_tl.training.processes import own_batches


@torch.no_grad()
def refit_discriminant(
    model: EmotionModel,
    parts: Sequence[Clips],
    speaker_of: dict[str, str],
    unlabelled: Clips | None,
    accelerator: Accelerator,
    config: TrainConfig,
) -> dict[str, float]:
    """Replaces the model's head. Every process calls it and gets the same head.

    Args:
        model: with the weights of the best epoch
        parts: the clips of train and of dev, as they are in evaluation
        speaker_of: utterance id to speaker
        unlabelled: clips of another domain to train itself on; None for none
        accelerator: whose processes share the work
        config: batch size and workers, and whether each layer has a discriminant of its own

    Returns:
        For the record: shrinkage, temperature, and the UAR over the held-out training speakers.

    Raises:
        ConfigError: too few speakers to hold one out, or no layers apart where each is to have a discriminant
    """
    found = _embedded(model, parts, accelerator, config)
    embedding = torch.from_numpy(np.stack([row for _, _, row in found]))
    labels = torch.tensor([label for _, label, _ in found])
    speakers = [speaker_of[name] for name, _, _ in found]
    if unlabelled is None:
        layers = model.layer_channels() if config.refit == "layer-discriminants" else []
        fit = fit_discriminant(embedding, labels, speakers, len(model.labels), layers)
    else:
        heard = [row for _, _, row in _embedded(model, [unlabelled], accelerator, config)]
        target = torch.from_numpy(np.stack(heard))
        fit = fit_self_trained(embedding, labels, speakers, target, len(model.labels))
    model.replace_head(fit.discriminant)
    return {"shrinkage": fit.shrinkage, "temperature": fit.temperature, "held_out_uar": fit.uar}


def _embedded(
    model: EmotionModel, parts: Sequence[Clips], accelerator: Accelerator, config: TrainConfig
) -> list[tuple[str, int, np.ndarray]]:
    """Id, label and embedding of each clip, in one order, whatever the number of processes."""
    model.eval()
    found: list[tuple[str, int, np.ndarray]] = []
    for clips in parts:
        plan = plan_batches(clips.seconds, config.batch_seconds, processes=accelerator.num_processes)
        for batch in own_batches(clips, plan, accelerator, config.workers):
            with accelerator.autocast():
                embedding = model.embed(*model.frames(batch), batch.domains).float().cpu().numpy()
            found += zip(batch.ids, batch.labels.tolist(), embedding, strict=True)
    return sorted(gather_object(found), key=lambda row: row[0])
