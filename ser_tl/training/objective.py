"""What a step lowers: the source's cross-entropy, and penalties on weights and between domains.

    source Batch -> model -> logits -> cross-entropy (B,)
    target Batch -> model -> hidden layer --Alignment with the source's--> penalty

Domains are aligned in the head's hidden layer, as deep adaptation networks are (Long et al. 2015): below it a frozen
encoder leaves little that a gradient could move.

One module, so that one forward pass holds all of a step: several processes' gradients are then averaged once, and
autocast covers everything. The target's labels never come in: its batch has none (`Utterances` without labels), and
`Alignment` has no argument for them.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ser_tl.augment import Disturbance
from ser_tl.data.batching import Batch
from ser_tl.losses import cross_entropy, soft_cross_entropy
from ser_tl.model import EmotionModel
from ser_tl.transfer import Strategy
from ser_tl.transfer.alignment import Alignment, Domain


class Losses(NamedTuple):
    """What a micro-batch costs.

    Attributes:
        cross_entropy: (B,) of the source's clips, weighted by class
        penalty: a scalar, for the micro-batch as a whole
    """

    cross_entropy: Tensor
    penalty: Tensor


class Objective(nn.Module):
    """The loss of a training, of one micro-batch at a time.

    Args:
        model: what is trained
        strategy: whose penalty is added
        alignment: of the embeddings of both domains; None where there is one domain
        class_weights: (C,) or None
        label_smoothing: share of the target spread over all classes
    """

    class_weights: Tensor | None

    def __init__(
        self,
        model: EmotionModel,
        strategy: Strategy,
        alignment: Alignment | None = None,
        *,
        class_weights: Tensor | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.model = model
        self.alignment = alignment
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", class_weights, persistent=False)
        self._penalty = strategy.penalty

    def forward(
        self,
        source: Batch,
        target: Batch | None = None,
        weight: float = 0.0,
        disturbance: Disturbance | None = None,
    ) -> Losses:
        """The losses of a batch of the source and, where domains are aligned, one of the target.

        Args:
            source: labelled clips
            target: clips of the other domain, whose labels are unknown (-1)
            weight: the alignment's share of the loss
            disturbance: of the source's clips on their way through the model
        """
        output = self.model(source, disturbance)
        if source.targets is None:
            losses = cross_entropy(output.logits, source.labels, self.class_weights, self.label_smoothing)
        else:
            losses = soft_cross_entropy(output.logits, source.targets, self.class_weights, self.label_smoothing)
        penalty = self._penalty(output, source)
        penalty = torch.zeros((), device=losses.device) if penalty is None else penalty
        if self.alignment is not None and target is not None:
            other = self.model(target)
            penalty = penalty + self.alignment(
                Domain(output.hidden, output.logits, source.labels), Domain(other.hidden, other.logits, None), weight
            )
        return Losses((1.0 - weight) * losses, penalty)
