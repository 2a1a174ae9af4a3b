"""The transforms of a training, fitted to its model."""

from ser_tl.augment import AugmentConfig, Chain
from ser_tl.cache.views import Views
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel


def chain_for(model: EmotionModel, config: AugmentConfig, seed: int) -> tuple[Chain, Views | None]:
    """The chain that a model's training batches go through, maybe an empty one, and the views that come before it.

    Args:
        model: what is trained: its labels, its longest clip, and whether its states are standardised
        config: which transforms
        seed: of the chain's draws

    Raises:
        ConfigError: a log-mel spectrogram is to be masked, and the encoder has none
    """
    views = Views(config, model.audio.max_seconds) if config.views else None
    chain = Chain(
        config if views is None else config.part(heard=False),
        len(model.labels),
        longest=model.audio.max_seconds,
        seed=seed,
        centred=model.config.standardise,
    )
    if (chain if views is None else views.chain).on_mel and not model.encoder.has_mel:
        raise ConfigError(
            f"augment.transforms has mask-mel, but the encoder {model.encoder_name} has no log-mel front end (whisper, "
            f"vggish, logmel and mfcc have one): take mask, which blanks the states of any encoder"
        )
    return chain, views
