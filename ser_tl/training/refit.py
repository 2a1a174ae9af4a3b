"""The classifier fitted anew, in closed form, on all training speakers.

    train + dev -> model -> embeddings, gathered over the processes -> discriminant -> the model's head

The epoch is chosen on dev speakers and stays; after that nothing is left for them to choose, and with twenty speakers
two more are worth having. What the discriminant itself has to choose, it chooses on training speakers held out in turn,
with all views of their clips where there are views: these then share the say of the clip that they are of.
"""

import torch

from ser_tl.data.batching import Clips
from ser_tl.inference.clips import Collected, Pass, collect_clips, embed_batch
from ser_tl.model import EmotionModel
from ser_tl.modules.discriminant import fit_discriminant
from ser_tl.modules.feature_norm import NormTable
from ser_tl.training.calibration import Method, calibrate_refit
from ser_tl.training.config import RefitName
from ser_tl.training.self_training import fit_self_trained


def refit_discriminant(
    model: EmotionModel,
    train: Clips,
    dev: Clips,
    speaker_of: dict[str, str],
    unlabelled: Clips | None,
    how: Pass,
    *,
    kind: RefitName,
    norms: NormTable | None = None,
    views: Clips | None = None,
    calibration: Method | None = None,
) -> dict[str, float]:
    """Replaces the model's head. Every process calls it and gets the same head.

    Args:
        model: with the weights of the best epoch
        train: its clips as they are in evaluation
        dev: likewise
        speaker_of: utterance id to speaker
        unlabelled: clips of another domain to train itself on; None for none
        how: the processes, and the size of batches
        kind: `TrainConfig.refit`: whether each layer has a discriminant of its own
        norms: statistics of the speakers or corpora that clips are of
        views: all augmented views of train's clips, which are heard besides; None for none
        calibration: how its probabilities are calibrated; None for not at all

    Returns:
        For the record: shrinkage, temperature, and the UAR over the held-out training speakers.

    Raises:
        ConfigError: too few speakers to hold one out, or no layers apart where each is to have a discriminant
    """

    def embed(clips: Clips) -> Collected:
        return collect_clips([model], clips, lambda batch: embed_batch(model, batch, norms), how)

    parts = [embed(clips) for clips in ([train, dev] if views is None else [train, dev, views])]
    rows = [(name, part, row) for part, found in enumerate(parts) for row, name in enumerate(found.ids)]
    rows.sort(key=lambda row: row[0])  # one order, whichever part a clip is in
    embedding = torch.stack([torch.from_numpy(parts[part].values[row]) for _, part, row in rows])
    labels = torch.tensor([int(parts[part].labels[row]) for _, part, row in rows])
    speakers = [speaker_of[name] for name, _, _ in rows]
    share = 1.0 if views is None else len(train) / (len(train) + len(views))
    weights = torch.tensor([share, 1.0, share])[[part for _, part, _ in rows]]
    if unlabelled is None:
        layers = model.layer_channels() if kind == "layer-discriminants" else []
        fit = fit_discriminant(embedding, labels, speakers, len(model.labels), layers, weights=weights)
    else:
        target = _by_id(embed(unlabelled))
        fit = fit_self_trained(embedding, labels, speakers, target, len(model.labels), weights=weights)
    model.replace_head(fit.discriminant)
    if calibration is not None:
        ids, real = [name for name, _, _ in rows], [row for row, (_, part, _) in enumerate(rows) if part < 2]
        calibrate_refit(model, fit, embedding, labels, ids, speakers, real, method=calibration)
    return {"shrinkage": fit.shrinkage, "temperature": fit.temperature, "held_out_uar": fit.uar}


def _by_id(found: Collected) -> torch.Tensor:
    """Values (n, ...) in the order of the utterances' names, in which they are whatever the batches were."""
    order = sorted(range(len(found.ids)), key=found.ids.__getitem__)
    return torch.from_numpy(found.values[order])
