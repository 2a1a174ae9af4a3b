"""The options of the layers between an encoder and the logits."""

from dataclasses import dataclass
from typing import Literal

from ser_tl.errors import ConfigError


@dataclass(frozen=True)
class ModelConfig:
    """The layers between the encoder and the logits.

    Args:
        layers: the encoder's states that are used: 0 is the input of the first layer, -1 the last layer; all if None
        join: the layers' learned weighted mean (`sum`), or each scaled by its weight and set side by side (`concat`)
        standardise: standardise each channel of each layer, and of the embedding, to zero mean and unit variance
        statistics: mean and deviation of the `training` speech for all clips, or of each clip's `corpus` or `speaker`,
            measured without labels on all of its clips. `speaker` assumes that each speaker's clips cover the emotions
            evenly
        fusion: how the sources of a fused encoder are joined: side by side (`concat`), or by learned weights that
            differ from frame to frame (`attention`)
        projection: width of a linear layer before the network and the pooling; 0 leaves it out
        network: a sequence model before the pooling, trained from scratch: none, bilstm, crnn, transformer, conformer
        head: the classifier: a small network, a single linear layer (`linear`, as in transformers' classifiers), or a
            linear discriminant fitted in closed form (by `train.refit`)
        hidden: width of the hidden layer of the head's network; 0 leaves it out
        dropout: share of channels dropped before each linear layer of the head's network
    """

    layers: list[int] | None = None
    join: Literal["sum", "concat"] = "concat"
    standardise: bool = True
    statistics: Literal["training", "corpus", "speaker"] = "training"
    fusion: Literal["concat", "attention"] = "concat"
    projection: int = 0
    network: str = "none"
    head: Literal["network", "linear", "discriminant"] = "network"
    hidden: int = 512
    dropout: float = 0.5

    def __post_init__(self) -> None:
        for name in ("projection", "hidden"):
            if getattr(self, name) < 0:
                raise ConfigError(f"model.{name} is {getattr(self, name)}: expected 1 or more, or 0 to leave it out")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"model.dropout is {self.dropout}: expected a share from 0 to below 1")
        if self.statistics != "training" and not self.standardise:
            raise ConfigError(
                f"model.statistics is {self.statistics}, but model.standardise is false, so that there is nothing to "
                f"take statistics of: leave one of the two out"
            )
