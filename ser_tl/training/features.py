"""The clips of training and evaluation, decoded or from the feature cache.

    corpus --decoded--> UtteranceDataset --frozen layers of the encoder--> cached, in training pooled clips

Where no block of the encoder is frozen, or a part of the training needs a clip's audio, clips are decoded anew in every
epoch. Views of the training clips are encoded in their place, and cached. Where the model's only input is pooled
states, a summary of them is cached, and no frames.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from accelerate import Accelerator
from datasets import Dataset

from ser_tl.cache.feature_cache import FeatureCache
from ser_tl.cache.keys import find_cacheable_layers
from ser_tl.cache.pooled import find_reduction, pool_clips
from ser_tl.cache.views import Views
from ser_tl.data.batching import Clips, UtteranceDataset
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.training.train_config import TrainConfig
from ser_tl.transfer import Strategy

Reads = Literal["audio", "frames", "pooled"]


class FeaturePipeline:
    """Clips for one model.

    Args:
        model: whose labels, dimensions and audio options count
        strategy: which of the encoder's blocks are trained
        config: whether there is a cache, and how it is filled
        accelerator: whose processes share the work
        seed: chooses crops
    """

    def __init__(
        self, model: EmotionModel, strategy: Strategy, config: TrainConfig, accelerator: Accelerator, seed: int
    ) -> None:
        self.model = model
        self.strategy = strategy
        self.config = config
        self.accelerator = accelerator
        self.seed = seed
        self.cache = FeatureCache(gib=config.cache_gib)

    @property
    def cacheable_layers(self) -> list[int]:
        """The encoder's layers that can be cached: all blocks below them are frozen."""
        return (
            find_cacheable_layers(self.model, self.strategy.trainable_blocks(self.model)) if self.config.cache else []
        )

    def load_clips(self, corpus: Dataset, *, labelled: bool = True) -> Clips:
        """A corpus' clips for evaluation: windows, as states of the frozen layers, else as audio.

        Every process calls it.

        Args:
            corpus: rows with the columns of `data.schema`
            labelled: whether emotions and annotations may be known
        """
        clips, layers = self._decode(corpus, training=False, labelled=labelled), self.cacheable_layers
        return self._fill(clips, layers) if layers else clips

    def load_training_clips(
        self,
        corpus: Dataset,
        tables: Mapping[str, np.ndarray] | None = None,
        *,
        labelled: bool = True,
        reads: Reads = "pooled",
        views: Views | None = None,
    ) -> Clips:
        """A corpus' clips for training: one an utterance, long ones cropped anew in each epoch.

        Every process calls it.

        Args:
            corpus: rows with the columns of `data.schema`
            tables: values beside labels, a row for each clip: `targets` (rows, C), and others by name
            labelled: whether emotions and annotations may be known
            reads: what is needed of a clip: its audio, all frames of its states, or their pooled statistics
            views: encoded in the place of the clips; None for the clips themselves

        Raises:
            ConfigError: views of clips that are encoded in every epoch
            CacheError: the cache can't hold the views
        """
        clips = self._decode(corpus, training=True, labelled=labelled, tables=tables)
        layers = [] if reads == "audio" else self.cacheable_layers
        if views is not None and not layers:
            why = "the strategy trains all of the encoder" if self.config.cache else "train.cache is false"
            raise ConfigError(
                f"augment.views is {views.number}, but {why}, so that no features of a view can be cached: choose "
                f"`strategy` frozen or partial with train.cache true, or augment clips anew in each epoch "
                f"(augment.views 0)"
            )
        if not layers:
            return clips
        filled = self._fill(clips, layers, views, frames=reads == "frames")
        return filled if reads == "frames" else pool_clips(filled, self.model)

    def _fill(
        self, clips: UtteranceDataset, layers: list[int], views: Views | None = None, *, frames: bool = False
    ) -> Clips:
        """The clips from the cache, which keeps all frames if `frames`, or where the model reads them."""
        model, options = self.model, (self.accelerator, self.config)
        reduce = find_reduction(model) if not frames and set(layers) >= set(model.layers) else None
        return self.cache.fill(
            clips, model.encoder, layers, *options, name=model.encoder_name, views=views, reduce=reduce
        )

    def _decode(
        self, corpus: Dataset, *, training: bool, labelled: bool, tables: Mapping[str, np.ndarray] | None = None
    ) -> UtteranceDataset:
        model, auxiliary = self.model, dict(tables or {})
        targets = auxiliary.pop("targets", None)
        return UtteranceDataset(
            corpus,
            model.labels if labelled else [],
            model.audio,
            training=training,
            seed=self.seed,
            domain=None if model.config.statistics == "training" else model.config.statistics,
            targets=targets,
            dimensions=model.dimensions if labelled else [],
            auxiliary=auxiliary,
        )
