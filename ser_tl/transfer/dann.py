"""Domain-adversarial training: embeddings from which a second network can't predict the domain.

    embedding (B, E) --reversal: gradients turn round here--> discriminator --> source or target? --> cross-entropy

The discriminator learns to separate the domains at full strength; the weights below the reversal learn to confuse it,
by the alignment's weight (Ganin et al. 2016).
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ser_tl.transfer.alignment import ALIGNMENTS, Alignment, Domain


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: float) -> Tensor:  # noqa: ANN401 - torch's context has no type
        ctx.weight = weight
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        return -ctx.weight * grad_outputs[0], None


def reverse_gradient(values: Tensor, weight: float) -> Tensor:
    """The values as they are; their gradient turned round, times the weight (Ganin et al. 2016, section 4.2)."""
    return _Reversal.apply(values, weight)


def dann_schedule(done: float) -> float:
    """A weight that rises from 0 to nearly 1, so that little is turned round while the discriminator still guesses.

    Ganin et al. 2016, section 5.2: 2 / (1 + exp(-10 done)) - 1; 0.46 at a tenth, 0.99 at the middle.

    Args:
        done: share of the training that is behind, 0 to 1
    """
    return 2.0 / (1.0 + math.exp(-10.0 * done)) - 1.0


@ALIGNMENTS.register("dann")
class DANN(Alignment):
    """Gradient reversal before a domain discriminator with one hidden layer.

    Each domain has half of the weight, whatever the batches' sizes.

    Args:
        dim: channels of an embedding, E
        classes: number of emotions, C
        hidden: width of the discriminator's hidden layer

    Shape:
        source of (B, E), target of (B', E) -> a scalar: the discriminator's cross-entropy, ln 2 where it guesses
    """

    def __init__(self, dim: int, classes: int, hidden: int = 256) -> None:
        super().__init__(dim, classes)
        self.discriminator = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, 1))

    def penalty(self, source: Domain, target: Domain, weight: float) -> Tensor:
        """The cross-entropy, unweighted; the weight stands in what it sends back to the embeddings."""
        source_logits = self.discriminator(reverse_gradient(source.embedding, weight))
        target_logits = self.discriminator(reverse_gradient(target.embedding, weight))
        return 0.5 * (functional.softplus(-source_logits).mean() + functional.softplus(target_logits).mean())
