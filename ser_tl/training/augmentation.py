"""The transforms of a training, fitted to its model."""

from ser_tl.augment import AugmentConfig, Chain
from ser_tl.encoders.mel import mel_taps
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel


def chain_for(model: EmotionModel, config: AugmentConfig | None, seed: int) -> Chain:
    """The chain that a model's training batches go through; an empty one for None.

    Args:
        model: what is trained: its labels, its longest clip, and whether its states are standardised
        config: which transforms
        seed: of all draws

    Raises:
        ConfigError: a log-mel spectrogram is to be masked, and the encoder has none
    """
    chain = Chain(
        config or AugmentConfig(),
        len(model.labels),
        longest=model.audio.max_seconds,
        seed=seed,
        centred=model.config.standardise,
    )
    if chain.on_mel and not mel_taps(model.encoder):
        raise ConfigError(
            f"augment.transforms has mask-mel, but the encoder {model.encoder_name} has no log-mel front end (whisper, "
            f"vggish, logmel and mfcc have one): take mask, which blanks the states of any encoder"
        )
    return chain
