"""A pruned model's embedding statistics and classifier, fitted anew in closed form, and its calibration with them.

    model, corpus of training speakers --refit_classifier()--> the model's head, its UAR over speakers held out in turn

The states of a pruned encoder aren't those that the classifier knows: half of the feed-forward channels cost 35 points
of UAR here, and the refit brings all of them back. It needs no gradient, and each clip is encoded once.
"""

import torch
from datasets import Dataset
from torch import Tensor

from ser_tl.augment import AugmentConfig
from ser_tl.cache.views import Views
from ser_tl.data.batching import Batch, Clips, UtteranceDataset
from ser_tl.errors import ConfigError
from ser_tl.inference.clips import Pass, collect_clips, pool_batch
from ser_tl.inference.refit_calibration import calibrate_refit, embed_changed
from ser_tl.inference.statistics import fit_statistics
from ser_tl.model import EmotionModel
from ser_tl.modules.discriminant import fit_discriminant
from ser_tl.modules.feature_norm import Moments


def refit_classifier(
    model: EmotionModel, corpus: Dataset, how: Pass, *, augment: AugmentConfig | None = None, seed: int = 0
) -> float:
    """Measures the embedding's statistics anew, and replaces the classifier by a discriminant.

    Statistics of states that the model knew before stay: its pooling was trained on what they leave.

    Args:
        model: on the CPU; changed
        corpus: rows with the columns of `data.schema`, of training speakers alone
        how: the processes, and the size of batches
        augment: whose views of each clip are used besides, as in training; None for none
        seed: of the statistics' sample

    Returns:
        The UAR over groups of these speakers that are held out in turn, a fraction.
    """
    windows = UtteranceDataset(corpus, model.labels, model.audio, training=False)
    parts: list[Clips] = [windows]
    if augment is not None and augment.views:
        parts.append(Views(augment, model.audio.max_seconds).view(windows))
    if model.standardise_states is not None and not model.standardise_states.is_fitted:  # of a layer that is new to it
        fit_statistics(model, windows, how, seed=seed)

    def pool(batch: Batch) -> Tensor:
        return pool_batch(model, batch)

    collected = [collect_clips([model], part, pool, how) for part in parts]
    rows = sorted(
        ((name, part, row) for part, values in enumerate(collected) for row, name in enumerate(values.ids)),
        key=lambda entry: entry[0],  # one order, whichever part a clip is in
    )
    pooled = torch.stack([torch.from_numpy(collected[part].values[row]) for _, part, row in rows])
    real = [index for index, (_, part, _) in enumerate(rows) if part == 0]
    if model.standardise_embedding is not None:
        model.standardise_embedding.fit(Moments.from_rows(pooled[real]))
    embedding = model.normalize_embedding(pooled)
    labels = torch.tensor([int(collected[part].labels[row]) for _, part, row in rows])
    speaker = dict(zip(corpus["id"][:], corpus["speaker"][:], strict=True))
    speakers, ids = [speaker[name] for name, _, _ in rows], [name for name, _, _ in rows]
    fit = fit_discriminant(embedding, labels, speakers, len(model.labels))
    model.replace_head(fit.discriminant)
    changed = embed_changed(model, corpus, how)
    calibrate_refit(model, fit, embedding, labels, ids, speakers, real, method="temperature", changed=changed)
    return fit.uar


def check_refit_corpus(model: EmotionModel, corpus: Dataset) -> None:
    """Refuses training speakers on whom the model's classifier can't be fitted anew.

    Raises:
        ConfigError: they lack an emotion that the model tells
    """
    missing = sorted(set(model.labels) - set(corpus["emotion"][:]))
    if missing:
        raise ConfigError(
            f"the classifier is fitted anew, and the training speakers of this corpus have no clip of "
            f"{', '.join(missing)}, which the model predicts: take the corpus that the model was trained on"
        )
