"""What a step lowers: the source's cross-entropy and its dimensions' loss, penalties on weights and between domains.

    source Batch -> model -> logits -> cross-entropy (B,)
                          -> dimensions -> their loss, a scalar
    target Batch -> model -> hidden layer --Alignment with the source's--> penalty

Domains are aligned in the head's hidden layer, as deep adaptation networks are (Long et al. 2015): below it a frozen
encoder leaves little that a gradient could move.

Dimensions have one value for the micro-batch as a whole, as a correlation has to: a step takes the mean over its
micro-batches and processes. Two halves accumulated are therefore not the same step as one whole batch, and few clips
make a noisy correlation: larger batches (`train.batch_seconds`) are worth more to it than accumulated ones.

One module, so that one forward pass holds all of a step: several processes' gradients are then averaged once, and
autocast covers everything. The target's labels never come in: its batch has none (`Utterances` without labels), and
`Alignment` has no argument for them.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ser_tl.augment import Disturbance
from ser_tl.data.batching import Batch
from ser_tl.inference.clips import batch_norm, encode_batch, forward_batch
from ser_tl.model import EmotionModel, Output
from ser_tl.modules.feature_norm import NormTable
from ser_tl.modules.losses import Criterion
from ser_tl.training.dimensions import DimensionConfig, dimension_loss
from ser_tl.transfer import Strategy
from ser_tl.transfer.alignment import Alignment, Domain


class Losses(NamedTuple):
    """What a micro-batch costs.

    Attributes:
        cross_entropy: (B,) of the source's clips, as the criterion has it
        penalty: a scalar, for the micro-batch as a whole
        dimensional: likewise, of the source's dimensions; zero where there are none
    """

    cross_entropy: Tensor
    penalty: Tensor
    dimensional: Tensor


class Objective(nn.Module):
    """The loss of a training, of one micro-batch at a time.

    Args:
        model: what is trained
        strategy: whose penalty is added
        alignment: of the embeddings of both domains; None where there is one domain
        criterion: what the logits cost; plain cross-entropy if None
        dimensions: how those of the model are learned; of no account where it has none
        norms: statistics of the speakers or corpora that clips are of; kept up to date by the training
    """

    def __init__(
        self,
        model: EmotionModel,
        strategy: Strategy,
        alignment: Alignment | None = None,
        *,
        criterion: Criterion | None = None,
        dimensions: DimensionConfig | None = None,
        norms: NormTable | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.norms = norms
        self.alignment = alignment
        self.criterion: nn.Module = criterion or Criterion()
        self._penalty = strategy.penalty
        self.dimensions = DimensionConfig.of(model, dimensions)

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
        output = self._forward(source, disturbance)
        losses = output.embedding.new_zeros(len(source.ids), dtype=torch.float32)
        if self.model.labels:
            losses = self.criterion(output.logits, source.labels, source.targets)
        penalty = self._penalty(output, source)
        penalty = torch.zeros((), device=losses.device) if penalty is None else penalty
        if self.alignment is not None and target is not None:
            other = self._forward(target, None)
            penalty = penalty + self.alignment(
                Domain(output.hidden, output.logits, source.labels), Domain(other.hidden, other.logits, None), weight
            )
        losses, dimensional = (1.0 - weight) * losses, torch.zeros((), device=losses.device)
        head, share = self.model.dimension_head, self.dimensions.weight
        if head is not None and output.dimensions is not None and source.dimensions is not None:
            own = dimension_loss(self.dimensions.loss, head, output.dimensions, source.dimensions)
            losses, dimensional = (1.0 - share) * losses, (1.0 - weight) * share * own
        return Losses(losses, penalty, dimensional)

    def _forward(self, batch: Batch, disturbance: Disturbance | None) -> Output:
        """The model's output; what augmentation changes on the way, it changes between the model's stages."""
        model = self.model
        if disturbance is None:
            return forward_batch(model, batch, self.norms)
        norm = batch_norm(model, batch, self.norms)
        states, mask = encode_batch(model, batch, disturbance.mel)
        states = disturbance.states(model.normalize_states(states, norm), mask)
        frames, mask = model.frames(states, mask)
        embedding = model.normalize_embedding(model.pooling(frames, mask), norm)
        return model.classify(disturbance.embedding(embedding))
