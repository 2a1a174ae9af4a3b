"""Embeddings of a corpus' utterances by a model.

    model, corpus --embed()--> Embeddings (n, E)        collect(model, corpus, values of a batch) -> (n, ...)

Long utterances are the mean of their windows. Trains nothing, and changes no weight.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from datasets import Dataset
from torch import Tensor

from ser_tl.cache.feature_cache import FeatureCache
from ser_tl.cache.pooled import find_reduction
from ser_tl.data.batching import Batch, Clips
from ser_tl.errors import ConfigError
from ser_tl.evaluation.embeddings import Embeddings
from ser_tl.inference.clips import collect_clips, embed_batch
from ser_tl.inference.scoring import corpus_norms, evaluation_clips
from ser_tl.model import EmotionModel
from ser_tl.modules.feature_norm import NormTable
from ser_tl.runtime.processes import build_accelerator, build_evaluation_pass
from ser_tl.training.train_config import TrainConfig


def extract_embeddings(
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

    def values(batch: Batch, norms: NormTable | None) -> Tensor:
        embedding = embed_batch(model, batch, norms)
        return embedding if layer == "embedding" else model.classify(embedding).hidden

    return Embeddings(
        collect_by_utterance(model, corpus, values, config), corpus["id"][:], corpus["emotion"][:], corpus["speaker"][:]
    )


def collect_by_utterance(
    model: EmotionModel,
    corpus: Dataset,
    values: Callable[[Batch, NormTable | None], Tensor],
    config: TrainConfig | None = None,
) -> np.ndarray:
    """Values of each utterance, in the order of the corpus. Every process calls it.

    Args:
        model: the model
        corpus: rows with the columns of `data.schema`
        values: what is collected, (B, ...) of a batch on the model's device and the statistics of its speakers
        config: as for `embed`

    Returns:
        (n, ...), float32
    """
    config = config or TrainConfig(cache=False)
    workers = build_accelerator(config, None)
    how = build_evaluation_pass(workers, config)
    model.to(workers.device)
    decoded = evaluation_clips(model, corpus)
    clips: Clips = decoded
    if config.cache:
        cache, name = FeatureCache(gib=config.cache_gib), model.encoder_name
        reduce = find_reduction(model)
        clips = cache.fill(decoded, model.encoder, model.layers, workers, config, name=name, reduce=reduce)
    norms = corpus_norms(model, corpus, clips, how)
    collected = collect_clips([model], clips, lambda batch: values(batch, norms), how)
    return collected.by_utterance(corpus["id"][:])
