"""What training lowers: cross-entropy of emotions, and disagreement on dimensions.

    logits (B, C), labels (B,) or targets (B, C) --Criterion--> loss (B,)
    predicted (B, K), annotated (B, K) --concordance_loss, squared_error--> one value

The loss of emotions comes unreduced, one value per utterance: the trainer alone knows how many utterances a step has
over all processes and micro-batches, and divides by that. Dimensions have one value per batch, as the concordance
correlation isn't defined for a single utterance; unknown annotations (NaN) are left out of it. Whatever is done here
about classes of different sizes is done in training alone: dev and test are scored by `cross_entropy` of the plain
logits.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def class_weights(counts: Sequence[int], beta: float = 1.0) -> Tensor:
    """Weights (C,) of the classes, with mean 1 over the utterances.

    A class of n utterances weighs 1 over its effective number, (1 - beta^n) / (1 - beta) (Cui et al. 2019, proposition
    1), which counts the n-th utterance of a class as beta^(n - 1) of a new one. With beta 1 that is n itself: inverse
    frequency, each class has the same say. With beta 0 it is 1: all weigh alike. Cui et al. scale weights to sum to C;
    that is another factor for all classes together.

    Args:
        counts: training utterances of each class; a class without any has weight 0
        beta: 0 to 1
    """
    numbers = [_effective(count, beta) for count in counts]
    total = sum(counts)
    present = sum(count / number for count, number in zip(counts, numbers, strict=True) if count)
    return torch.tensor(
        [total / (present * number) if count else 0.0 for count, number in zip(counts, numbers, strict=True)]
    )


def _effective(count: int, beta: float) -> float:
    """The effective number of utterances; `count` itself in the limit of beta 1."""
    if beta == 1.0:
        return float(count)
    return (1.0 - beta**count) / (1.0 - beta)


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of each utterance, label smoothing and class weight applied.

    The target is `1 - smoothing` on the label plus `smoothing / C` on every class (Szegedy et al. 2016, section 7), and
    the whole is multiplied by the weight of the label's class.

    Shape:
        logits (B, C), labels (B,), weights (C,) -> (B,)
    """
    loss = functional.cross_entropy(logits.float(), labels, label_smoothing=smoothing, reduction="none")
    return loss if weights is None else loss * weights[labels]


class Criterion(nn.Module):
    """What a training lowers: cross-entropy, and what is done in it about classes of different sizes.

        p = softmax(logits + tau log prior)
        t = (1 - smoothing) target + smoothing / C
        loss = (target . weights) * sum over classes of  t (1 - p)^gamma (-log p)

    Without gamma and tau, and with labels for targets, it is `cross_entropy` to the last bit. Targets that are shares
    of votes make it the Kullback-Leibler divergence from the votes to the model (label distribution learning, Geng
    2016) plus the votes' own entropy, which doesn't depend on the model: the gradients are the same.

    Gamma makes it the focal loss (Lin et al. 2017, equation 5, over a softmax), whose alpha are the weights. Tau
    adjusts the logits by the classes' frequencies (Menon et al. 2021, equation 10): the model learns to say what it
    would if all classes were as frequent, since it is asked without the adjustment.

    Args:
        weights: (C,) of the classes; None weighs all alike
        smoothing: share of the target spread over all classes
        gamma: how far well-classified utterances are down-weighted
        prior: (C,) share of each class among the training utterances; needed with tau
        tau: of the adjustment; 0 for none

    Shape:
        logits (B, C), labels (B,), targets (B, C) or None -> (B,)
    """

    weights: Tensor | None
    shift: Tensor | None

    def __init__(
        self,
        weights: Tensor | None = None,
        *,
        smoothing: float = 0.0,
        gamma: float = 0.0,
        prior: Tensor | None = None,
        tau: float = 0.0,
    ) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.gamma = gamma
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("shift", None if prior is None or not tau else tau * prior.log(), persistent=False)

    def forward(self, logits: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
        """The loss of each utterance.

        Args:
            logits: of the model
            labels: classes
            targets: probabilities of the classes, which then count instead of the labels
        """
        logits = logits.float() if self.shift is None else logits.float() + self.shift
        if targets is None and not self.gamma:
            return cross_entropy(logits, labels, self.weights, self.smoothing)
        if targets is None:
            targets = functional.one_hot(labels, logits.shape[-1]).float()
        logs = logits.log_softmax(dim=-1)
        smoothed = (1.0 - self.smoothing) * targets + self.smoothing / logits.shape[-1]
        loss = -smoothed * logs
        if self.gamma:
            # Not below 1e-8: with a gamma below 1 the slope at nothing missed is infinite.
            loss = loss * (-logs.expm1()).clamp_min(1e-8).pow(self.gamma)
        loss = loss.sum(dim=-1)
        return loss if self.weights is None else loss * (targets @ self.weights)


def distillation_loss(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The distance of a student's prediction of each clip from its teacher's.

        T^2 KL(softmax(teacher / T) || softmax(student / T))

    Hinton et al. 2015, section 2: a temperature T above 1 brings out how alike the teacher holds the classes it does
    not choose, and T^2 keeps the size of that gradient as T changes. The Kullback-Leibler divergence has the
    cross-entropy's gradients, and is zero where the student agrees.

    Args:
        logits: of the student
        teacher: probabilities, at the temperature
        temperature: T

    Shape:
        logits (B, C), teacher (B, C) -> (B,)
    """
    student = (logits.float() / temperature).log_softmax(dim=-1)
    return temperature**2 * functional.kl_div(student, teacher, reduction="none").sum(dim=-1)


def concordance_loss(predicted: Tensor, annotated: Tensor) -> Tensor:
    """1 - the concordance correlation coefficient, the mean over the dimensions.

    Lin 1989, equation 1: 2 cov / (var + var + (mean - mean)^2), moments over the batch's annotated utterances. A
    dimension with fewer than two of them has no say; without any such dimension the loss is zero.

    Shape:
        predicted (B, K), annotated (B, K) with NaN where unknown -> a scalar, 0 to 2
    """
    annotated_mask, count, predicted, annotated = _mask_unknown(predicted, annotated)
    share = annotated_mask / count.clamp_min(1.0)
    means = (share * predicted).sum(dim=0), (share * annotated).sum(dim=0)
    predicted_residual, annotated_residual = predicted - means[0], annotated - means[1]
    together = (share * predicted_residual * annotated_residual).sum(dim=0)
    spread = (share * (predicted_residual.square() + annotated_residual.square())).sum(dim=0) + (
        means[0] - means[1]
    ).square()
    return _mean_of(1.0 - 2.0 * together / (spread + 1e-8), count > 1)


def squared_error(predicted: Tensor, annotated: Tensor) -> Tensor:
    """Mean squared error over the annotated utterances of a batch, the mean over the dimensions that have some.

    Shape:
        predicted (B, K), annotated (B, K) with NaN where unknown -> a scalar
    """
    annotated_mask, count, predicted, annotated = _mask_unknown(predicted, annotated)
    errors = (annotated_mask * (predicted - annotated).square()).sum(dim=0) / count.clamp_min(1.0)
    return _mean_of(errors, count > 0)


def _mask_unknown(predicted: Tensor, annotated: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mask (B, K) as numbers, its sums (K,), and both tables with zeros for NaN: 0 * NaN would still be NaN."""
    annotated_mask = ~annotated.isnan()
    return (
        annotated_mask.float(),
        annotated_mask.sum(dim=0).float(),
        predicted.float(),
        annotated.float().masked_fill(~annotated_mask, 0.0),
    )


def _mean_of(losses: Tensor, counted: Tensor) -> Tensor:
    """The mean of those (K,) that count; zero, but part of the graph, where none does."""
    return (losses * counted).sum() / counted.sum().clamp_min(1)
