"""Self-training: a discriminant that goes on learning from unlabelled clips by its own predictions.

    source (n, E), labels --fit_discriminant--> Discriminant --target (m, E)--> predictions
      --the most confident of each emotion, refitted on both--> Discriminant --> ... a fixed number of rounds

Class-balanced self-training (Zou et al. 2018): pseudo-labels are not the predictions above a threshold, which loud
emotions pass first, but the most confident share of each emotion, and a larger share in each round. No label of the
target, and no score on it, is there to choose anything: the shrinkage is that of held-out source speakers, and the
rounds are fixed. Where too few of the first answers are left in the end, the rounds have followed something else than
emotions, and the source's discriminant stays.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.modules.agreement import measure_kappa
from ser_tl.modules.discriminant import DiscriminantFit, build_discriminant, class_shares, fit_discriminant
from ser_tl.training.part import PARTS, Training
from ser_tl.training.parts.refit import EmbeddedClips, Refit

ROUNDS = 12
"""Of predicting and fitting."""

FIRST_SHARE = 0.3
"""Of each emotion's predictions that are pseudo-labels in the first round; all of them in the last."""

LEAST_AGREEMENT = 0.46
"""Of the source's answers for the target, above chance: twelve self-trainings between three corpora kept 0.28 and 0.31
where they lost 23 and 16 points, and 0.49 to 0.73 elsewhere (docs/results.md)."""

_BALANCING = 50  # rounds of Sinkhorn's


def fit_self_trained(
    embedding: Tensor,
    labels: Tensor,
    speakers: Sequence[str],
    target: Tensor,
    classes: int,
    rounds: int = ROUNDS,
    *,
    weights: Tensor | None = None,
) -> DiscriminantFit:
    """The discriminant of labelled source clips and unlabelled target clips.

    In each round the discriminant's probabilities are balanced, so that all emotions are predicted equally often
    (Asano et al. 2020 label themselves under the same constraint), each clip is labelled with its likeliest emotion,
    and the most confident predictions of each emotion are learned from. That assumes that the target's emotions are
    about equally frequent, and keeps a round from giving everything to the most frequent prediction. Both domains have
    half of the weight, and in each of them every emotion the same.

    Args:
        embedding: the source's, (n, E); standardised by domain or speaker, or the rounds drift apart
        labels: (n,) class indices
        speakers: n names
        target: the target's, (m, E), standardised likewise
        classes: number of classes, C
        rounds: how many; 0 gives the source's discriminant
        weights: (n,) how much each of the source's clips counts, more than 0; all alike if None

    Raises:
        ConfigError: as of `fit_discriminant`
    """
    fit = fit_discriminant(embedding, labels, speakers, classes, weights=weights)
    return continue_on_target(fit, embedding, labels, target, classes, rounds, weights=weights)


def continue_on_target(
    fit: DiscriminantFit,
    embedding: Tensor,
    labels: Tensor,
    target: Tensor,
    classes: int,
    rounds: int = ROUNDS,
    *,
    weights: Tensor | None = None,
) -> DiscriminantFit:
    """The source's discriminant after some rounds on the target; arguments as of `fit_self_trained`."""
    weights = torch.ones(len(labels)) if weights is None else weights
    counts = torch.bincount(labels, minlength=classes)
    source_weights = class_shares(labels, weights, classes)  # adds up to 1, as the pseudo-labels' weights do
    discriminant = fit.discriminant
    for number in range(rounds):
        share = FIRST_SHARE + (1.0 - FIRST_SHARE) * number / max(rounds - 1, 1)
        with torch.no_grad():
            predicted = discriminant(target.float()).double().softmax(dim=1)
        selected, guess, guess_weights = select_confident(balance_shares(predicted, counts > 0), share)
        discriminant = build_discriminant(
            torch.cat([embedding, target[selected]]),
            torch.cat([labels, guess]),
            classes,
            fit.shrinkage,
            fit.temperature,
            weights=torch.cat([source_weights, guess_weights]),
        )
    return fit._replace(discriminant=discriminant)


def select_confident(probabilities: Tensor, share: float) -> tuple[Tensor, Tensor, Tensor]:
    """The most confident predictions of each emotion.

    Args:
        probabilities: (m, C)
        share: of each emotion's predictions, between 0 and 1; at least one is taken

    Returns:
        Indices of the clips, their pseudo-labels, and their weights, which add up to 1 and to the same for each
        predicted emotion; each (k,).
    """
    confidence, guess = probabilities.max(dim=1)
    chosen = []
    for emotion in guess.unique():
        clips = (guess == emotion).nonzero()[:, 0]
        order = confidence[clips].argsort(descending=True, stable=True)
        chosen.append(clips[order[: max(1, int(share * len(clips)))]])
    weights = torch.cat([torch.full((len(clips),), 1.0 / (len(clips) * len(chosen))) for clips in chosen])
    selected = torch.cat(chosen)
    return selected, guess[selected], weights


def balance_shares(probabilities: Tensor, occurs: Tensor) -> Tensor:
    """The nearest shares (m, C) that add up to 1 for each clip and to the same for each emotion (Sinkhorn 1967).

    Args:
        probabilities: (m, C)
        occurs: (C,), False for emotions that get nothing
    """
    shares = probabilities * occurs
    each = len(shares) / float(occurs.sum())
    for _ in range(_BALANCING):
        shares = shares * (each / shares.sum(dim=0).clamp_min(1e-12))
        shares = shares / shares.sum(dim=1, keepdim=True).clamp_min(1e-12)
    return shares


@PARTS.register("self-training")
class SelfTraining(Refit):
    """A refit that continues on the unlabelled clips of `fit`, if `train.refit` says so."""

    kinds = ("self-training",)
    uses_unlabelled = True

    def __init__(self) -> None:
        super().__init__()
        self.agreement: float | None = None

    def check(self, training: Training) -> None:
        """Refuses self-training without another domain."""
        super().check(training)
        if self.kind != "none" and training.unlabelled is None:
            raise ConfigError(
                f"{self.requested_by}, but there are no unlabelled clips of another domain: recipes/mmd_alignment.py "
                f"has the option `target`, in Python it is fit(..., unlabelled=...); or choose train.refit "
                f"discriminant"
            )

    def fit(self, model: EmotionModel, rows: EmbeddedClips) -> DiscriminantFit:
        """The discriminant of both domains; of the source alone where the rounds overturn most of its answers."""
        plain = super().fit(model, rows)
        embedding, labels, _, weights, target = rows
        if target is None:
            return plain
        trained = continue_on_target(plain, embedding, labels, target, len(model.labels), weights=weights)
        with torch.no_grad():
            answers = [way.discriminant(target.float()).argmax(dim=1) for way in (plain, trained)]
        self.agreement = measure_kappa(*answers, classes=len(model.labels))
        return trained if self.agreement >= LEAST_AGREEMENT else plain

    @property
    def facts(self) -> dict[str, Any]:
        """The discriminant's, and how many of its answers self-training has kept."""
        if self.agreement is None:
            return super().facts
        return super().facts | {
            "self_training": {"agreement": self.agreement, "refused": self.agreement < LEAST_AGREEMENT}
        }

    @property
    def notes(self) -> list[str]:
        """That self-training was refused."""
        if self.agreement is None or self.agreement >= LEAST_AGREEMENT:
            return []
        return [
            f"Self-training is refused: it would have overturned so many of the answers for the target (they agree "
            f"{self.agreement:.2f} above chance, expected {LEAST_AGREEMENT} or more) that it probably followed "
            f"something else than emotions. The classifier is the source's discriminant"
        ]
