"""Learning arousal, valence and dominance: the options, the loss of a batch, and the scale that outputs are on.

    predicted, annotated (B, K), NaN where unknown --dimension_loss--> a scalar
    annotations of the training part --fit_scale--> mean and deviation in the model

Independent of emotions, and of how the losses of a step are added up.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn

from ser_tl.data.batching import Clips
from ser_tl.data.dimension_names import check_names
from ser_tl.data.dimensions import read_annotations
from ser_tl.errors import ConfigError
from ser_tl.evaluation import Predictions
from ser_tl.model import EmotionModel
from ser_tl.modules.feature_norm import Moments
from ser_tl.modules.heads import DimensionHead
from ser_tl.modules.losses import concordance_loss, squared_error
from ser_tl.training.part import PARTS, Losses, Part, Step, Training


@dataclass(frozen=True)
class DimensionConfig:
    """Which dimensions are learned, and how.

    Args:
        names: of arousal, valence and dominance those that a second head learns; none by default
        loss: 1 - the concordance correlation of each dimension over a batch (`ccc`), or the squared error of
            standardised annotations (`mse`)
        weight: the dimensions' share of the loss, beside the emotions'; 1 trains dimensions alone, without emotions
    """

    names: list[str] = field(default_factory=list)
    loss: Literal["ccc", "mse"] = "ccc"
    weight: float = 0.5

    def __post_init__(self) -> None:
        check_names(self.names)
        if not 0 < self.weight <= 1:
            raise ConfigError(
                f"dimensions.weight is {self.weight}: expected a share above 0, up to 1 for dimensions alone; to learn "
                f"none, leave dimensions.names out"
            )
        if not self.names and (self.weight != 0.5 or self.loss != "ccc"):
            raise ConfigError(
                f"dimensions.loss is {self.loss} and dimensions.weight {self.weight:g}, but no dimension is to be "
                f"learned: say which (dimensions.names '[arousal, valence]'), or leave both out"
            )

    @property
    def alone(self) -> bool:
        """Whether no emotions are learned beside them."""
        return self.weight == 1.0

    @classmethod
    def for_model(cls, model: EmotionModel, config: "DimensionConfig | None") -> "DimensionConfig":
        """How a model's dimensions are learned: as the options say, else by default.

        Raises:
            ConfigError: the model has other dimensions than the options ask for, or has emotions where they ask for
                none
        """
        config = config or cls(list(model.dimensions), weight=0.5 if model.labels else 1.0)
        if config.names != model.dimensions or config.alone == bool(model.labels):
            raise ConfigError(
                f"dimensions.names is {config.names} and dimensions.weight {config.weight:g}, but the model has the "
                f"dimensions {model.dimensions} and {len(model.labels)} emotions: build it with the same names, and "
                f"without labels if and only if the weight is 1"
            )
        return config


def dimension_loss(kind: str, head: DimensionHead, predicted: Tensor, annotated: Tensor) -> Tensor:
    """The loss of a batch, a scalar; zero, with gradients of zero, where too little is annotated.

    Both losses see standardised values, so that dimensions of different scales weigh the same; the concordance
    correlation doesn't depend on a common scale.

    Args:
        kind: ccc or mse
        head: whose scale it is
        predicted: (B, K) on the corpus' scale
        annotated: (B, K) likewise, NaN where unknown
    """
    loss = concordance_loss if kind == "ccc" else squared_error
    return loss(head.scale(predicted), head.scale(annotated))


def fit_scale(model: EmotionModel, train: Dataset) -> None:
    """Sets the scale of a model's dimensions: mean and deviation of the training annotations.

    Args:
        model: with or without dimensions
        train: the training part
    """
    if model.dimension_head is None:
        return
    table = torch.from_numpy(read_annotations(train, model.dimensions))
    is_annotated = ~table.isnan()
    table = table.nan_to_num(0.0)
    model.dimension_head.scale.fit(
        Moments(is_annotated.sum(dim=0).double(), table.sum(dim=0), table.square().sum(dim=0))
    )


def dev_loss(config: DimensionConfig, model: EmotionModel, annotated: np.ndarray, predicted: np.ndarray) -> float:
    """The loss over a whole dev part at once, (U, K) each."""
    if model.dimension_head is None:
        return 0.0
    device = model.device
    pair = [torch.from_numpy(values).float().to(device) for values in (predicted, annotated)]
    return float(dimension_loss(config.loss, model.dimension_head, *pair))


class DimensionLoss(nn.Module):
    """The dimensions' share of a micro-batch's loss.

    Args:
        config: which loss, and its share
    """

    def __init__(self, config: DimensionConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, step: Step, losses: Losses) -> Losses:
        """Takes their share from the losses so far."""
        head, predicted, annotated = step.model.dimension_head, step.output.dimensions, step.batch.dimensions
        if head is None or predicted is None or annotated is None:
            return losses
        share, loss = self.config.weight, dimension_loss(self.config.loss, head, predicted, annotated)
        return losses._replace(
            utterances=(1.0 - share) * losses.utterances, batch=(1.0 - share) * losses.batch + share * loss
        )


@PARTS.register("dimensions")
class Dimensions(Part):
    """Arousal, valence and dominance beside the emotions, or alone, if the model predicts them.

    Args:
        config: which, and how; as the model has them if None
    """

    order = 70

    def __init__(self, config: DimensionConfig | None = None) -> None:
        self._requested = config
        self.config: DimensionConfig

    def bind(self, training: Training) -> None:
        """Compares options and model."""
        self.config = DimensionConfig.for_model(training.model, self._requested)

    def prepare(self, training: Training, clips: Clips) -> Clips:
        """Sets the scale of the outputs; a training state that is resumed has its own."""
        fit_scale(training.model, training.train)
        return clips

    def loss(self, training: Training) -> nn.Module | None:
        """Their share."""
        return DimensionLoss(self.config) if training.model.dimensions else None

    def dev_loss(self, training: Training, predictions: Predictions, loss: float) -> float:
        """Likewise, over the dev part as a whole."""
        if predictions.ratings is None:
            return loss
        share = self.config.weight
        return (1.0 - share) * loss + share * dev_loss(self.config, training.model, *predictions.ratings.tables)

    @property
    def facts(self) -> dict[str, Any]:
        """The options."""
        return {"dimensions": asdict(self.config)} if self.config.names else {}
