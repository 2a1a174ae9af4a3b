"""The classifier fitted anew, in closed form, on all training speakers.

    train + dev -> model -> embeddings, gathered over the processes -> discriminant -> the model's head

The epoch is chosen on dev speakers and stays; after that nothing is left for them to choose, and with twenty speakers
two more are worth having. What the discriminant itself has to choose, it chooses on training speakers held out in turn,
with all views of their clips where there are views: these then share the say of the clip that they are of.
"""

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
    train: Clips,
    dev: Clips,
    speaker_of: dict[str, str],
    unlabelled: Clips | None,
    accelerator: Accelerator,
    config: TrainConfig,
    *,
    views: Clips | None = None,
) -> dict[str, float]:
    """Replaces the model's head. Every process calls it and gets the same head.

    Args:
        model: with the weights of the best epoch
        train: its clips as they are in evaluation
        dev: likewise
        speaker_of: utterance id to speaker
        unlabelled: clips of another domain to train itself on; None for none
        accelerator: whose processes share the work
        config: batch size and workers, and whether each layer has a discriminant of its own
        views: all augmented views of train's clips, which are heard besides; None for none

    Returns:
        For the record: shrinkage, temperature, and the UAR over the held-out training speakers.

    Raises:
        ConfigError: too few speakers to hold one out, or no layers apart where each is to have a discriminant
    """
    parts = [train, dev] if views is None else [train, dev, views]
    found = [(*row, part) for part, clips in enumerate(parts) for row in _embedded(model, clips, accelerator, config)]
    found = sorted(found, key=lambda row: row[0])
    embedding = torch.from_numpy(np.stack([row for _, _, row, _ in found]))
    labels = torch.tensor([label for _, label, _, _ in found])
    speakers = [speaker_of[name] for name, _, _, _ in found]
    share = 1.0 if views is None else len(train) / (len(train) + len(views))
    weights = torch.tensor([share, 1.0, share])[[part for _, _, _, part in found]]
    if unlabelled is None:
        layers = model.layer_channels() if config.refit == "layer-discriminants" else []
        fit = fit_discriminant(embedding, labels, speakers, len(model.labels), layers, weights=weights)
    else:
        target = torch.from_numpy(np.stack([row for _, _, row in _embedded(model, unlabelled, accelerator, config)]))
        fit = fit_self_trained(embedding, labels, speakers, target, len(model.labels), weights=weights)
    model.replace_head(fit.discriminant)
    return {"shrinkage": fit.shrinkage, "temperature": fit.temperature, "held_out_uar": fit.uar}


def _embedded(
    model: EmotionModel, clips: Clips, accelerator: Accelerator, config: TrainConfig
) -> list[tuple[str, int, np.ndarray]]:
    """Id, label and embedding of each clip, in one order, whatever the number of processes."""
    model.eval()
    found: list[tuple[str, int, np.ndarray]] = []
    plan = plan_batches(clips.seconds, config.batch_seconds, processes=accelerator.num_processes)
    for batch in own_batches(clips, plan, accelerator, config.workers):
        with accelerator.autocast():
            embedding = model.embed(*model.frames(batch), batch.domains).float().cpu().numpy()
        found += zip(batch.ids, batch.labels.tolist(), embedding, strict=True)
    return sorted(gather_object(found), key=lambda row: row[0])
