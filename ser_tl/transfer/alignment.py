"""The contract of an alignment: a penalty on the distance between a labelled source and an unlabelled target.

    source and target through one model -> Domain, Domain --Alignment, weight--> a scalar that is added to the loss

An alignment sees embeddings, logits and the source's labels. It is independent of audio, corpora and training, and a
target with labels is refused: adaptation to a corpus must not use its labels.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ser_tl.registry import Registry

ALIGNMENTS: Registry[type["Alignment"]] = Registry("alignment", "ser_tl.alignments")


class Domain(NamedTuple):
    """A model's output for a batch of one domain.

    Attributes:
        embedding: (B, E), what is aligned: the hidden layer of the head
        logits: (B, C)
        labels: (B,) class indices; None for the target, always
    """

    embedding: Tensor
    logits: Tensor
    labels: Tensor | None


class Alignment(nn.Module, ABC):
    """A penalty between two domains; built as `ALIGNMENTS[name](dim, classes)`.

    It is computed in float32, under autocast too: differences of sums over a batch are what bfloat16 loses first.

    Args:
        dim: channels of an embedding, E
        classes: number of emotions, C

    Shape:
        source of (B, E), target of (B', E) -> a scalar
    """

    def __init__(self, dim: int, classes: int) -> None:  # noqa: ARG002 - what every alignment is built from
        super().__init__()

    def forward(self, source: Domain, target: Domain, weight: float) -> Tensor:
        """The penalty, already weighted.

        Args:
            source: a batch of the labelled domain
            target: a batch of the unlabelled one, of any size
            weight: how much the alignment counts beside the classification, 0 or more

        Raises:
            ValueError: the target has labels
        """
        if target.labels is not None:
            raise ValueError("an alignment was given labels of the target, which it must not see: pass labels=None")
        with torch.autocast(source.embedding.device.type, enabled=False):
            return self.penalty(_in_float32(source), _in_float32(target), weight)

    @abstractmethod
    def penalty(self, source: Domain, target: Domain, weight: float) -> Tensor:
        """The weighted penalty, on embeddings and logits in float32."""


def _in_float32(domain: Domain) -> Domain:
    return domain._replace(embedding=domain.embedding.float(), logits=domain.logits.float())
