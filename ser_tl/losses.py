"""What training lowers: cross-entropy of emotions, and disagreement on dimensions.

The cross-entropy comes unreduced, one value per utterance: the trainer alone knows how many utterances a step has over
all processes and micro-batches, and divides by that. Dimensions have one value per batch, as the concordance
correlation can't be told of a single utterance; unknown annotations (NaN) are left out of it.
"""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def class_weights(emotions: Sequence[str], labels: Sequence[str]) -> Tensor:
    """Weights (C,) that give each class the same say: inverse frequency, with mean 1 over the utterances.

    Args:
        emotions: the emotion of each training utterance
        labels: the classes; one without an utterance has weight 0
    """
    counts = Counter(emotions)
    total = sum(counts[label] for label in labels)
    present = sum(counts[label] > 0 for label in labels)
    return torch.tensor([total / (present * counts[label]) if counts[label] else 0.0 for label in labels])


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of each utterance, label smoothing and class weight applied.

    The target is `1 - smoothing` on the label plus `smoothing / C` on every class (Szegedy et al. 2016, section 7), and
    the whole is multiplied by the weight of the label's class.

    Shape:
        logits (B, C), labels (B,), weights (C,) -> (B,)
    """
    loss = functional.cross_entropy(logits.float(), labels, label_smoothing=smoothing, reduction="none")
    return loss if weights is None else loss * weights[labels]


def concordance_loss(predicted: Tensor, annotated: Tensor) -> Tensor:
    """1 - the concordance correlation coefficient, the mean over the dimensions.

    Lin 1989, equation 1: 2 cov / (var + var + (mean - mean)^2), moments over the batch's annotated utterances. A
    dimension with fewer than two of them has no say; without any such dimension the loss is zero.

    Shape:
        predicted (B, K), annotated (B, K) with NaN where unknown -> a scalar, 0 to 2
    """
    known, count, predicted, annotated = _masked(predicted, annotated)
    share = known / count.clamp_min(1.0)
    means = (share * predicted).sum(dim=0), (share * annotated).sum(dim=0)
    ours, theirs = predicted - means[0], annotated - means[1]
    together = (share * ours * theirs).sum(dim=0)
    spread = (share * (ours.square() + theirs.square())).sum(dim=0) + (means[0] - means[1]).square()
    return _mean_of(1.0 - 2.0 * together / (spread + 1e-8), count > 1)


def squared_error(predicted: Tensor, annotated: Tensor) -> Tensor:
    """Mean squared error over the annotated utterances of a batch, the mean over the dimensions that have some.

    Shape:
        predicted (B, K), annotated (B, K) with NaN where unknown -> a scalar
    """
    known, count, predicted, annotated = _masked(predicted, annotated)
    errors = (known * (predicted - annotated).square()).sum(dim=0) / count.clamp_min(1.0)
    return _mean_of(errors, count > 0)


def _masked(predicted: Tensor, annotated: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mask (B, K) as numbers, its sums (K,), and both tables with zeros for NaN: 0 * NaN would still be NaN."""
    known = ~annotated.isnan()
    return known.float(), known.sum(dim=0).float(), predicted.float(), annotated.float().masked_fill(~known, 0.0)


def _mean_of(losses: Tensor, counted: Tensor) -> Tensor:
    """The mean of those (K,) that count; zero, but part of the graph, where none does."""
    return (losses * counted).sum() / counted.sum().clamp_min(1)
