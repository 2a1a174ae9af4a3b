"""The options of training, checked where they enter."""

from dataclasses import dataclass
from typing import Literal

from ser_tl.runtime.compute_config import ComputeConfig, check_range

RefitName = Literal["none", "auto", "discriminant", "layer-discriminants", "self-training", "enrolment"]


@dataclass(frozen=True)
class TrainConfig(ComputeConfig):
    """How a model is trained.

    Args:
        epochs: largest number of passes over the training speech; 0 takes no step, for a classifier that `refit` fits
            in closed form
        learning_rate: peak learning rate of everything above the encoder
        encoder_learning_rate: peak learning rate of the encoder's trainable blocks
        optimizer: `adamw` (Loshchilov and Hutter 2019) or `radam` (Liu et al. 2020)
        weight_decay: for matrices; biases, norms and layer weights have none
        schedule: after warm-up, learning rates fall to zero by a `cosine` or linearly (`linear`), stay `constant`, or
            are multiplied by 0.5 whenever dev UAR has not improved for `plateau_patience` epochs (`plateau`)
        warmup: share of the training over which the rates rise from zero
        plateau_patience: epochs without a better dev UAR before the `plateau` schedule acts
        label_smoothing: share of the target spread over all classes
        keep: the weights of the epoch that is `best` on dev, or of the `last` one; then patience doesn't count: an
            alignment with another domain may still improve when the source's dev score doesn't
        patience: epochs without a better dev UAR before training stops; 0 never stops early
        refit: `discriminant` refits the classifier when the epoch is chosen: a shrunken linear discriminant of the
            embedding, in closed form, on training and dev speakers; `layer-discriminants` fits one to each of the
            encoder's layers and adds up their logits; `self-training` continues from `discriminant` with unlabelled
            clips of the target domain, whose emotions it assumes to be about equally frequent; `enrolment` fits one for
            new speakers with a few clips without labels (`model.enrol`), with model.statistics speaker; `auto` is
            `discriminant` where emotions are learned, speakers can be held out in turn, and no option is given that
            acts on the classifier alone (`balance`, `labels.targets`); else `none`, and the report says why
        calibration: calibrates probabilities on speakers that no weight was trained on: by one `temperature`, which
            doesn't change the likeliest emotion; by a factor and a bias per emotion (`vector`); or `none`
        save_every: steps between training states on disk, besides the one after each epoch; 0 for none
    """

    epochs: int = 10
    learning_rate: float = 3e-4
    encoder_learning_rate: float = 1e-4
    optimizer: Literal["adamw", "radam"] = "adamw"
    weight_decay: float = 0.01
    schedule: Literal["cosine", "linear", "constant", "plateau"] = "cosine"
    warmup: float = 0.1
    plateau_patience: int = 2
    label_smoothing: float = 0.1
    keep: Literal["best", "last"] = "best"
    patience: int = 6
    refit: RefitName = "none"
    calibration: Literal["temperature", "vector", "none"] = "temperature"
    save_every: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range(self, "expected 1 or more", lambda value: value >= 1, "plateau_patience")
        counts = ("epochs", "weight_decay", "patience", "save_every")
        check_range(self, "expected 0 or more", lambda value: value >= 0, *counts)
        check_range(self, "expected more than 0", lambda value: value > 0, "learning_rate", "encoder_learning_rate")
        shares = ("warmup", "label_smoothing")
        check_range(self, "expected a share from 0 to below 1", lambda value: 0 <= value < 1, *shares)


FINE_TUNING = TrainConfig(refit="auto")
"""The default of recipes that train one system; of `TrainConfig()` the classifier is the one trained by gradients."""
