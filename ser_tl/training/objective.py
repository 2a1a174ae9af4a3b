"""The objective of a step: the losses of a training's parts, and the strategy's penalty on weights.

    source Batch -> model -> Output --losses of the parts, one after the other--> Losses
    target Batch -> model -> Output -'  (where a part pairs domains)

A loss for the micro-batch as a whole, such as a correlation, is averaged over the micro-batches and processes of a
step. Two halves accumulated are therefore not the same step as one whole batch, and few clips make a noisy correlation:
larger batches (`train.batch_seconds`) are worth more to it than accumulated ones.

One module, so that one forward pass holds all of a step: several processes' gradients are then averaged once, and
autocast covers everything. The target's labels never come in: its batch has none (`UtteranceDataset` without labels).
"""

from collections.abc import Mapping

import torch
from torch import nn

from ser_tl.augment import FeatureHooks
from ser_tl.data.batching import Batch
from ser_tl.inference.clips import batch_norm, encode_batch, forward_batch
from ser_tl.model import EmotionModel, Output
from ser_tl.modules.feature_norm import NormTable
from ser_tl.training.part import Losses, Step
from ser_tl.transfer import Strategy


class Objective(nn.Module):
    """The loss of a training, of one micro-batch at a time.

    Args:
        model: what is trained
        strategy: whose penalty is added
        terms: modules `(Step, Losses) -> Losses` by name, in the order in which they act; None for parts without one
        norms: statistics of the speakers or corpora that clips are of; kept up to date by the training
    """

    def __init__(
        self,
        model: EmotionModel,
        strategy: Strategy,
        terms: Mapping[str, nn.Module | None] | None = None,
        norms: NormTable | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.norms = norms
        self.terms = nn.ModuleDict({name: term for name, term in (terms or {}).items() if term is not None})
        self._penalty = strategy.penalty

    def forward(
        self,
        source: Batch,
        target: Batch | None = None,
        done: float = 0.0,
        hooks: FeatureHooks | None = None,
    ) -> Losses:
        """The losses of a batch of the source and, where domains are paired, one of the target.

        Args:
            source: labelled clips
            target: clips of the other domain, whose labels are unknown (-1)
            done: share of the training that is done, 0 to 1
            hooks: augmentation of the source's clips on their way through the model
        """
        output = self._forward(source, hooks)
        other = None if target is None else self._forward(target, None)
        zero = torch.zeros((), device=output.embedding.device)
        penalty = self._penalty(output, source)
        losses = Losses(zero.new_zeros(len(source.ids)), zero, zero if penalty is None else penalty)
        step = Step(output, source, other, done, self.model)
        for term in self.terms.values():
            losses = term(step, losses)
        return losses

    def _forward(self, batch: Batch, hooks: FeatureHooks | None) -> Output:
        """The model's output; hooks augment between the model's stages."""
        model = self.model
        if hooks is None:
            return forward_batch(model, batch, self.norms)
        norm = batch_norm(model, batch, self.norms)
        states, mask = encode_batch(model, batch, hooks.mel)
        states = hooks.states(model.normalize_states(states, norm), mask)
        frames, mask = model.frames(states, mask)
        embedding = model.normalize_embedding(model.pooling(frames, mask), norm)
        return model.classify(hooks.embedding(embedding))
