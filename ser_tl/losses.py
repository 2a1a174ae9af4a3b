"""What classification is trained on, one value per utterance.

Losses come unreduced: the trainer alone knows how many utterances a step has over all processes and micro-batches, and
divides by that.
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


def soft_cross_entropy(
    logits: Tensor, targets: Tensor, weights: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of utterances that are of several classes by shares: `cross_entropy` where one has it all.

    The weight of an utterance is that of its classes, by their shares.

    Shape:
        logits (B, C), targets (B, C) each adding up to 1, weights (C,) -> (B,)
    """
    smoothed = (1.0 - smoothing) * targets + smoothing / targets.shape[-1]
    loss = -(smoothed * logits.float().log_softmax(dim=-1)).sum(dim=-1)
    return loss if weights is None else loss * (targets @ weights)
