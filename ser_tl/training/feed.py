"""The clips that a training is fed, and that its models are scored on.

    corpus --decoded--> Utterances --the part of the encoder that never moves--> cached, in training condensed clips

Where nothing of the encoder stays, or augmentation changes what it hears, clips are decoded anew in every epoch. With
views of the training clips the encoder hears these, and they are cached.
"""

import numpy as np
from accelerate import Accelerator
from datasets import Dataset

from ser_tl.augment import Chain
from ser_tl.cache.condensed import condensed
from ser_tl.cache.feature_cache import FeatureCache
from ser_tl.cache.keys import lasting_layers
from ser_tl.cache.views import Views
from ser_tl.data.batching import Clips, Utterances
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.training.config import TrainConfig
from ser_tl.transfer import Strategy


class Feed:
    """Clips for one model.

    Args:
        model: whose labels, dimensions and audio options count
        strategy: which of the encoder's blocks may move
        config: whether there is a cache, and what fills it
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
    def lasting(self) -> list[int]:
        """The encoder's states that are worth keeping: no block below them ever moves."""
        return lasting_layers(self.model, self.strategy.may_move(self.model)) if self.config.cache else []

    def clips(
        self,
        corpus: Dataset,
        *,
        training: bool = False,
        labelled: bool = True,
        targets: np.ndarray | None = None,
        whole: bool = False,
    ) -> Clips:
        """The corpus' clips: what the part of the encoder that never moves makes of them, else their audio.

        Every process calls it.

        Args:
            corpus: rows with the columns of `data.schema`
            training: one clip an utterance, cropped anew in each epoch, instead of windows
            labelled: whether emotions and annotations may be known
            targets: (rows, C) probabilities of the classes; None where the labels say it
            whole: in training, don't cut clips down to what the pooling can't tell from all of them
        """
        clips = self._decoded(corpus, training=training, labelled=labelled, targets=targets)
        layers = self.lasting
        if not layers:
            return clips
        filled = self._filled(clips, layers)
        return condensed(filled, self.model) if training and not whole else filled

    def augmented(
        self, train: Dataset, chain: Chain, targets: np.ndarray | None = None, views: Views | None = None
    ) -> Clips:
        """The training part's clips for a chain of transforms, which is made ready.

        Args:
            train: the training part
            chain: its transforms that act anew in each epoch; maybe none
            targets: as of `clips`
            views: what the encoder hears in the place of the clips; None for these themselves

        Raises:
            ConfigError: views of clips that an encoder hears in every epoch
            CacheError: the cache can't hold the views
        """
        if views is not None:
            return self._viewed(self._decoded(train, training=True, targets=targets), views, whole=chain.on_states)
        if not chain.on_audio:
            return self.clips(train, training=True, targets=targets, whole=chain.on_states)
        decoded = self._decoded(train, training=True, targets=targets)
        chain.prepare(decoded)
        return decoded

    def _viewed(self, clips: Utterances, views: Views, *, whole: bool) -> Clips:
        layers = self.lasting
        if not layers:
            why = "the strategy moves all of the encoder" if self.config.cache else "train.cache is false"
            raise ConfigError(
                f"augment.views is {views.number}, but {why}, so that nothing it makes of a view can be kept: choose "
                f"--strategy frozen or partial with --train.cache true, or change clips anew in each epoch "
                f"(--augment.views 0)"
            )
        filled = self._filled(clips, layers, views)
        return filled if whole else condensed(filled, self.model)

    def _filled(self, clips: Utterances, layers: list[int], views: Views | None = None) -> Clips:
        name = self.model.encoder_name
        options = (self.accelerator, self.config)
        return self.cache.fill(clips, self.model.encoder, layers, *options, name=name, views=views)

    def _decoded(
        self, corpus: Dataset, *, training: bool, labelled: bool = True, targets: np.ndarray | None = None
    ) -> Utterances:
        model = self.model
        return Utterances(
            corpus,
            model.labels if labelled else [],
            model.audio,
            training=training,
            seed=self.seed,
            domain=None if model.config.statistics == "training" else model.config.statistics,
            targets=targets,
            dimensions=model.dimensions if labelled else [],
        )
