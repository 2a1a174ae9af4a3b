"""A discriminant that goes on learning from clips that nobody has labelled, by what it hears in them itself.

    source (n, E), labels --fit_discriminant--> Discriminant --target (m, E)--> guesses, the surest of each emotion
      --fitted anew on both--> Discriminant --> ... a fixed number of rounds

Class-balanced self-training (Zou et al. 2018): what is believed is not what lies above a threshold, which loud emotions
pass first, but the surest share of each emotion, and a larger share in each round. No label of the target, and no score
on it, is there to choose anything: the shrinkage is that of held-out source speakers, and the rounds are fixed.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ser_tl.errors import ConfigError
from ser_tl.model import EmotionModel
from ser_tl.modules.discriminant import DiscriminantFit, build_discriminant, class_shares, fit_discriminant
from ser_tl.training.part import PARTS, Training
from ser_tl.training.parts.refit import Embedded, Refit

ROUNDS = 12
"""Of guessing and fitting."""

FIRST_SHARE = 0.3
"""Of each emotion's guesses that are believed in the first round; all of them in the last."""

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

    In each round the discriminant's probabilities are balanced, so that all emotions together are heard equally often
    (Asano et al. 2020 label themselves under the same constraint), each clip is guessed to be of its likeliest emotion,
    and the surest guesses of each emotion are learned from. That takes the target's emotions to be about as frequent as
    each other, and keeps a round from giving everything to the emotion that was heard most. Both domains have half of
    the say, and in each of them every emotion the same.

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
    weights = torch.ones(len(labels)) if weights is None else weights
    fit = fit_discriminant(embedding, labels, speakers, classes, weights=weights)
    counts = torch.bincount(labels, minlength=classes)
    known = class_shares(labels, weights, classes)  # adds up to 1, as the guesses' weights do
    discriminant = fit.discriminant
    for number in range(rounds):
        share = FIRST_SHARE + (1.0 - FIRST_SHARE) * number / max(rounds - 1, 1)
        with torch.no_grad():
            heard = discriminant(target.float()).double().softmax(dim=1)
        believed, guess, sure = surest(balanced(heard, counts > 0), share)
        discriminant = build_discriminant(
            torch.cat([embedding, target[believed]]),
            torch.cat([labels, guess]),
            classes,
            fit.shrinkage,
            fit.temperature,
            weights=torch.cat([known, sure]),
        )
    return fit._replace(discriminant=discriminant)


def surest(probabilities: Tensor, share: float) -> tuple[Tensor, Tensor, Tensor]:
    """The surest guesses of each emotion.

    Args:
        probabilities: (m, C)
        share: of each emotion's guesses, between 0 and 1; at least one is kept

    Returns:
        Places of the clips, their guesses, and their weights, which add up to 1 and to the same for each guessed
        emotion; each (k,).
    """
    confidence, guess = probabilities.max(dim=1)
    kept = []
    for emotion in guess.unique():
        clips = (guess == emotion).nonzero()[:, 0]
        order = confidence[clips].argsort(descending=True, stable=True)
        kept.append(clips[order[: max(1, int(share * len(clips)))]])
    weights = torch.cat([torch.full((len(clips),), 1.0 / (len(clips) * len(kept))) for clips in kept])
    believed = torch.cat(kept)
    return believed, guess[believed], weights


def balanced(probabilities: Tensor, occurs: Tensor) -> Tensor:
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
    """A refit that goes on with the unlabelled clips of `fit`, if `train.refit` says so."""

    kinds = ("self-training",)
    hears_unlabelled = True

    def check(self, training: Training) -> None:
        """Refuses self-training without another domain."""
        super().check(training)
        if self.kind != "none" and training.unlabelled is None:
            raise ConfigError(
                f"{self.asked}, but there are no unlabelled clips of another domain: recipes/mmd_alignment.py has a "
                f"--target, in Python it is fit(..., unlabelled=...); --train.refit discriminant does without"
            )

    def fit(self, model: EmotionModel, rows: Embedded) -> DiscriminantFit:
        """The discriminant of both domains."""
        embedding, labels, speakers, weights, target = rows
        if target is None:
            return super().fit(model, rows)
        return fit_self_trained(embedding, labels, speakers, target, len(model.labels), weights=weights)
