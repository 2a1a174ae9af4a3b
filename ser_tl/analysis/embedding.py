"""What a model makes of each utterance of a corpus, before the emotions.

    model, corpus --embed()--> Embeddings (n, E)        collect(model, corpus, values of a batch) -> (n, ...)

Long utterances are the mean of their windows. Trains nothing, and changes no weight.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from accelerate.utils import gather_object
from datasets import Dataset
from torch import Tensor

from ser_tl.data.batching import Batch, Clips, Utterances, by_utterance, plan_batches
from ser_tl.errors import ConfigError
from ser_tl.evaluation.embeddings import Embeddings
from ser_tl.model import EmotionModel
from ser_tl.training.cache import FeatureCache
from ser_tl.training.config import TrainConfig
from ser_tl.training.domains import fit_domains
from ser_tl.training.processes import accelerator, own_batches


def embed(
    model: EmotionModel,
    corpus: Dataset,
    config: TrainConfig | None = None,
    *,
    layer: Literal["embedding", "hidden"] = "embedding",
) -> Embeddings:
    """The embedding of each utterance. Every process calls it and gets the whole.

    Where the model standardises clips by their own corpus or speaker, these statistics are measured here.

    Args:
        model: the model
        corpus: rows with the columns of `data.schema`; emotions that the model doesn't know are fine
        config: batch size, precision, and whether the encoder's states are kept in the feature cache; they aren't if
            None, since those of a fine-tuned encoder serve once
        layer: what the head sees (`embedding`, E wide), or what its last layer sees (`hidden`, H wide): there domains
            are aligned. A head of one layer has the same for both

    Raises:
        ConfigError: no such layer
    """
    if layer not in ("embedding", "hidden"):
        raise ConfigError(f"layer is {layer!r}: expected embedding (what the head sees) or hidden (its hidden layer)")

    def values(batch: Batch) -> Tensor:
        embedding = model.embed(*model.frames(batch), batch.domains)
        return embedding if layer == "embedding" else model.read(embedding).hidden

    return Embeddings(
        collect(model, corpus, values, config), corpus["id"][:], corpus["emotion"][:], corpus["speaker"][:]
    )


@torch.no_grad()
def collect(
    model: EmotionModel, corpus: Dataset, values: Callable[[Batch], Tensor], config: TrainConfig | None = None
) -> np.ndarray:
    """Something a model tells of each utterance, in the order of the corpus. Every process calls it.

    Args:
        model: the model, put into evaluation mode meanwhile
        corpus: rows with the columns of `data.schema`
        values: what is collected, from a batch on the model's device: (B, ...)
        config: as for `embed`

    Returns:
        (n, ...), float32
    """
    config = config or TrainConfig(cache=False)
    workers = accelerator(config, None)
    training = model.training
    model.to(workers.device).eval()
    statistics = model.config.statistics
    domain = None if statistics == "training" else statistics
    clips: Clips = Utterances(corpus, model.labels, model.audio, training=False, domain=domain)
    if config.cache:
        cache, name = FeatureCache(gib=config.cache_gib), model.encoder_name
        clips = cache.fill(clips, model.encoder, model.layers, workers, config, name=name)
    if domain is not None:
        fit_domains(model, [clips], corpus[domain][:], workers, config)
    plan = plan_batches(clips.seconds, config.batch_seconds, processes=workers.num_processes)
    found: list[tuple[str, np.ndarray]] = []
    for batch in own_batches(clips, plan, workers, config.workers):
        with workers.autocast():
            rows = values(batch)
        found += zip(batch.ids, rows.float().cpu().numpy(), strict=True)
    model.train(training)
    found = gather_object(found)
    names, means = by_utterance([name for name, _ in found], np.stack([row for _, row in found]))
    place = {name: row for row, name in enumerate(names)}
    return means[[place[name] for name in corpus["id"][:]]]
