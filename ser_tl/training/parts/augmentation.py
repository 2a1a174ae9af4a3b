"""Augmentation of the training clips: anew in each epoch, or in cached views.

    Batch --Chain--> Batch, FeatureHooks of its states and embeddings        clips --Views--> the encoder's input

Dev, test, statistics and the refit take clips as they are; the refit takes their views besides.
"""

from typing import Any

from ser_tl.augment import AugmentConfig, Chain, FeatureHooks
from ser_tl.cache.views import Views
from ser_tl.data.batching import Batch, Clips, UtteranceDataset
from ser_tl.errors import ConfigError
from ser_tl.training.part import PARTS, Part, Training


@PARTS.register("augment")
class Augmentation(Part):
    """The transforms of a training, if there are any.

    Args:
        config: which
    """

    order = 10

    def __init__(self, config: AugmentConfig | None = None) -> None:
        self.config = config or AugmentConfig()
        self.chain: Chain

    @property
    def requested_by(self) -> str:
        """The option."""
        return f"augment.transforms has {', '.join(self.chain.names)}"

    def bind(self, training: Training) -> None:
        """Builds the chain that training batches go through, maybe an empty one, and the views that come before it.

        Raises:
            ConfigError: a log-mel spectrogram is to be masked, and the encoder has none
        """
        model = training.model
        self.views = Views(self.config, model.audio.max_seconds) if self.config.views else None
        self.chain = Chain(
            self.config if self.views is None else self.config.select(on_audio=False),
            len(model.labels),
            longest=model.audio.max_seconds,
            seed=training.seed,
            centred=model.config.standardise,
        )
        self.reads = "audio" if self.chain.on_audio else "frames" if self.chain.on_states else "pooled"
        if (self.chain if self.views is None else self.views.chain).on_mel and not model.encoder.has_mel:
            raise ConfigError(
                f"augment.transforms has mask-mel, but the encoder {model.encoder_name} has no log-mel front end "
                f"(whisper, vggish, logmel and mfcc have one): take mask, which blanks the states of any encoder"
            )

    def prepare(self, training: Training, clips: Clips) -> Clips:  # noqa: ARG002
        """Fetches what transforms mix in."""
        if self.chain.on_audio and isinstance(clips, UtteranceDataset):
            self.chain.prepare(clips)
        return clips

    def augment(self, batch: Batch, *position: int) -> tuple[Batch, FeatureHooks | None]:
        """The batch through the chain."""
        return self.chain(batch, *position) if self.chain else (batch, None)

    @property
    def facts(self) -> dict[str, Any]:
        """The transforms and their options."""
        if self.views is not None:
            return {"augment": self.views.chain.facts | self.chain.facts, "views": self.views.number}
        return {"augment": self.chain.facts} if self.chain else {}
