"""A pruned model whose transformer layers are trained for a few epochs, with the model as it was for a teacher.

    pruned model, the model as it was, training speakers --finetune_pruned()--> trained layers, the classifier refitted

For models that moved in their training: a closed form brings back what the classifier needs, and not what the layers
made of each other (Hinton et al. 2015 for the loss). The last epoch is kept, as no speaker could choose another one:
the model had been trained on its training speakers, those whom the fine-tune leaves out too, so that their UAR is near
100 in every epoch; and speakers whom it doesn't know judge the result.
"""

from copy import deepcopy
from pathlib import Path

from datasets import Dataset

from ser_tl.augment import AugmentConfig
from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.modules.discriminant import assign_groups
from ser_tl.training import TrainConfig, Trainer
from ser_tl.training.parts import Distillation
from ser_tl.training.parts.distillation import TeachConfig, Teacher
from ser_tl.transfer import Partial

FEWEST_SPEAKERS = 3
"""Of the training: one of them is left out, and of one no other could be held out."""

_DEV = 5  # one group of speakers in so many is left out


def finetune_pruned(
    small: EmotionModel,
    original: EmotionModel,
    corpus: Dataset,
    *,
    epochs: int,
    augment: AugmentConfig | None = None,
    seed: int = 0,
) -> EmotionModel:
    """Trains a pruned model's transformer layers, and refits its classifier on all training speakers.

    Args:
        small: pruned, its classifier refitted; it stays as it is
        original: before the pruning
        corpus: rows with the columns of `data.schema`, of training speakers alone
        epochs: passes over the speech
        augment: as in training
        seed: of batches

    Returns:
        A copy, with the weights of the last epoch.

    Raises:
        ConfigError: too few training speakers
    """
    train, dev = divide_dev(corpus)
    model = deepcopy(small)
    config = TrainConfig(epochs=epochs, keep="last", refit="discriminant", tracker="none")
    teacher = Teacher(original, Path("the model as it was"), TeachConfig())
    augment = AugmentConfig() if augment is None else augment
    layers = Partial(blocks=min(len(model.encoder.feed_forwards), len(model.trainable_blocks())))
    Trainer(model, layers, config, seed=seed, parts=[Distillation(teacher)], augment=augment).fit(train, dev)
    model.known_speakers |= small.known_speakers
    return model.cpu().eval()


def divide_dev(corpus: Dataset) -> tuple[Dataset, Dataset]:
    """Clips to train on, and those of speakers who are left out: their loss shows whether the fine-tune overfits.

    Raises:
        ConfigError: too few speakers
    """
    speakers = corpus["speaker"][:]
    count = len(set(speakers))
    if count < FEWEST_SPEAKERS:
        raise ConfigError(
            f"finetune leaves out a training speaker, whose loss shows whether it overfits, and this corpus has "
            f"{count} training speakers: at least {FEWEST_SPEAKERS} are needed; leave `finetune` out, the refit alone "
            f"needs fewer"
        )
    groups = assign_groups(speakers, corpus["emotion"][:])
    rows = range(len(speakers))
    return (
        corpus.select([row for row in rows if groups[row] % _DEV]),
        corpus.select([row for row in rows if not groups[row] % _DEV]),
    )
