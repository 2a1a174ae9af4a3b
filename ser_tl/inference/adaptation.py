"""A trained model adapted to recordings of another kind, without labels: another room, language or microphone.

    recordings -> Predictor -> embeddings -> the target's mean and deviation [-> EM on class means]
      -> Adaptation: an ordinary model, and about how well it does there; AdaptationError where it would harm

The target's statistics take the place of the training speech's (adaptive batch norm; Li et al. 2018), and with `em` the
class means move besides (`modules.adaptation`), which presumes emotions about as frequent as each other. Recordings of
one emotion have its traces in common, which their statistics would take out: they have to be mixed, and what speaks
against it is looked for. Nothing is random, and no clip of the training is needed.
"""

import copy
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch

from ser_tl.errors import AdaptationError, AudioError, ConfigError
from ser_tl.inference.embedding import embedding_rows
from ser_tl.inference.recordings import Recording, is_recording
from ser_tl.inference.session import OutputRequest
from ser_tl.modules.adaptation import KAPPA, AdaptedClassifier, adapt_classifier
from ser_tl.modules.heads import LinearHead
from ser_tl.modules.outliers import OutlierScore

if TYPE_CHECKING:
    from ser_tl.model import EmotionModel

Method = Literal["statistics", "em"]
METHODS: tuple[Method, ...] = ("statistics", "em")

FEWEST_CLIPS = 32
"""Of the target: the deviation of fewer says little, and who recorded them is in their mean."""

LEAST_AGREEMENT = 0.3
"""Of the two views' answers, above chance (Cohen's kappa for equally frequent classes): six pairs of corpora have 0.31
to 0.48, and most recordings of one emotion less."""

LEAST_VARIETY, SPREAD_POWER = 0.38, 0.44
"""Of the answers' information times the spread to this power, as a logistic regression weighs their logarithms: six
pairs of corpora have 0.39 to 0.68, and 24 of 30 targets of one emotion less (docs/results.md)."""

MOST_SHARE = 60.0
"""Percent of the target that one emotion may have without a warning."""

ERRORS: dict[Method, float] = {"statistics": 7.3, "em": 9.8}
"""Points of UAR by which the estimate was off, root mean square over six pairs of corpora (docs/results.md)."""


@dataclass(frozen=True)
class AdaptationFacts:
    """What was done, and what is known of the result without labels.

    Args:
        method: `statistics` or `em`
        clips: windows of recordings with speech that the model was adapted to
        seconds: of audio in them
        agreement_before: share of them that the classifiers of two halves of the channels answer alike, as the model
            was: about its accuracy, in percent
        estimate: likewise of the adapted model: about its UAR there, in percent
        low: of an interval around the estimate, which held the truth of measured pairs of corpora
        high: likewise
        variety: how much the recordings look like several emotions; less than 0.38 is refused
        changed: share of answers that the adaptation changed, in percent
        shares: estimated share of each emotion in the target, in percent
        warnings: what a reader has to know
    """

    method: Method
    clips: int
    seconds: float
    agreement_before: float
    estimate: float
    low: float
    high: float
    variety: float
    changed: float
    shares: dict[str, float]
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


class Adaptation(NamedTuple):
    """An adapted model and its facts.

    Attributes:
        model: predicts, exports and serves as any other
        facts: what was done, and what is known of the result
    """

    model: "EmotionModel"
    facts: AdaptationFacts


def adapt_model(
    model: "EmotionModel",
    recordings: Recording | Iterable[Recording],
    *,
    method: Method = "statistics",
    sampling_rate: int | None = None,
) -> Adaptation:
    """A model adapted to recordings of another kind, which need no labels.

    Args:
        model: trained; stays as it is
        recordings: some dozens of them at least, of several speakers and with the emotions mixed
        method: `statistics`, or `em` besides
        sampling_rate: of arrays that don't bring their own, in Hz; 16 kHz if None

    Returns:
        The new model, and what is known of it without labels: about its UAR there, and the shares of emotions.

    Raises:
        AudioError: a recording can't be used, or there is speech in none
        ConfigError: a method that isn't there, or a model without a linear classifier or class means, or one that
            normalises by speaker
        AdaptationError: adapting would probably harm
    """
    from ser_tl.inference.predictor import Predictor

    head, score = check_adaptable(model, method)
    items = [recordings] if is_recording(recordings) else list(recordings)
    rows, seconds = [], 0.0
    predictor = Predictor(model)
    for prediction in predictor.iterate(items, sampling_rate=sampling_rate, wanted=OutputRequest(embedding=True)):
        for row in embedding_rows(prediction, segments=True):
            if row.values is not None:
                rows.append(row.values)
                seconds += row.end - row.start
    if not rows:
        raise AudioError(f"adapt: there is speech in none of {len(items)} recordings: check their level and channel")
    if len(rows) < FEWEST_CLIPS:
        raise AdaptationError(
            f"adapt: {len(rows)} clips with speech, expected {FEWEST_CLIPS} or more: the statistics of few clips are "
            f"those of what happens to be said in them. Add recordings of the same kind, best of several speakers and "
            f"all emotions, or use the model as it is"
        )
    scale = 1.0 if model.calibration is None else float(np.mean(model.calibration.scale))
    adapted = adapt_classifier(
        head.weight.detach().cpu(),
        head.bias.detach().cpu(),
        copy.deepcopy(score).cpu(),
        torch.from_numpy(np.stack(rows)),
        scale=scale,
        kappa=KAPPA if method == "em" else None,
    )
    obstacle = find_obstacle(adapted)
    if obstacle is not None:
        raise AdaptationError(f"adapt: {obstacle}")
    facts = describe(model.labels, adapted, method, len(rows), seconds)
    new = build_adapted(model, adapted)
    new.derive_from(
        model,
        f"Adapted to {facts.clips} clips ({facts.seconds / 60:.0f} min) of other recordings without labels. It is for "
        f"recordings like these, and worse than the model it was made of on others.",
    )
    return Adaptation(new, facts)


def check_adaptable(model: "EmotionModel", method: str) -> tuple[LinearHead, OutlierScore]:
    """What an adaptation needs of a model.

    Raises:
        ConfigError: a method that isn't there, or a model that can't be adapted
    """
    if method not in METHODS:
        raise ConfigError(f"method is {method!r}: expected {' or '.join(METHODS)}")
    if not model.labels:
        raise ConfigError("this model predicts dimensions alone: only a classifier of emotions is adapted")
    if model.config.statistics == "speaker":
        raise ConfigError(
            "this model normalises by each speaker's own statistics, which adapts it to anyone: predict with "
            "speaker_normalize, or enrol the speakers (ser-tl enrol)"
        )
    if not isinstance(model.head, LinearHead) or model.outliers is None or model.standardise_embedding is None:
        raise ConfigError(
            "adapting takes a linear classifier and the class means of its training speech, which this model doesn't "
            "have: train it with train.refit discriminant, model.standardise true and a train.calibration"
        )
    return model.head, model.outliers


def find_obstacle(adapted: AdaptedClassifier) -> str | None:
    """Why an adaptation would probably harm; None where nothing speaks against it.

    Args:
        adapted: the classifier
    """
    least = expect_agreement(len(adapted.bias))
    way_out = "Use the model as it is, or adapt it to more recordings with all emotions mixed"
    variety = combine_variety(adapted)
    if variety < LEAST_VARIETY:
        return (
            f"these recordings look as if they had one emotion, whose traces their statistics would take out: their "
            f"variety is {variety:.2f}, expected {LEAST_VARIETY} or more (the answers' information is "
            f"{adapted.variety.information:.2f} nats, the spread {adapted.variety.spread:.2f} of the training "
            f"emotions'). {way_out}"
        )
    if adapted.agreement < least:
        return (
            f"two views of the recordings (halves of the embedding's channels) agree on "
            f"{100 * adapted.agreement:.0f} % of the answers, expected {100 * least:.0f} % or more of "
            f"{len(adapted.bias)} emotions: so low where recordings have one emotion, or are nothing like the training "
            f"speech. {way_out}"
        )
    return None


def expect_agreement(classes: int) -> float:
    """The least share of alike answers of two views."""
    return (1.0 + (classes - 1) * LEAST_AGREEMENT) / classes


def combine_variety(adapted: AdaptedClassifier) -> float:
    """The variety of the recordings, which is low where they have one emotion."""
    return adapted.variety.information * adapted.variety.spread**SPREAD_POWER


def describe(
    labels: list[str], adapted: AdaptedClassifier, method: Method, clips: int, seconds: float
) -> AdaptationFacts:
    """The facts of an adaptation, with what a reader has to be warned of."""
    estimate, chance = 100 * adapted.agreement, 100 / len(labels)
    sampling = 100 * (adapted.agreement * (1 - adapted.agreement) / clips) ** 0.5
    margin = 1.96 * (ERRORS[method] ** 2 + sampling**2) ** 0.5
    shares = {label: 100 * float(share) for label, share in zip(labels, adapted.shares, strict=True)}
    warnings = []
    top = max(shares, key=lambda label: shares[label])
    if shares[top] > MOST_SHARE:
        warnings.append(
            f"{shares[top]:.0f} % of the recordings are taken for {top}: if they have one emotion, its traces were "
            f"taken out with their mean, and the model that was there is better"
        )
    return AdaptationFacts(
        method=method,
        clips=clips,
        seconds=seconds,
        agreement_before=100 * adapted.agreement_before,
        estimate=estimate,
        low=max(min(chance, estimate), estimate - margin),
        high=min(100.0, estimate + margin),
        variety=combine_variety(adapted),
        changed=100 * adapted.changed,
        shares=shares,
        warnings=warnings,
    )


@torch.no_grad()
def build_adapted(model: "EmotionModel", adapted: AdaptedClassifier) -> "EmotionModel":
    """The adapted model; the one that it is made of stays as it is.

    Its probabilities keep the temperature of the training's speakers, and its calibration says so; what was promised of
    prediction sets was of recordings like the training's, and goes.
    """
    new = copy.deepcopy(model)
    norm, head = new.standardise_embedding, new.head
    if norm is None or not isinstance(head, LinearHead):
        raise TypeError("call check_adaptable first")
    norm.mean.add_(norm.deviation * adapted.mean.to(norm.mean))
    norm.deviation.mul_(adapted.deviation.to(norm.deviation))
    head.weight.copy_(adapted.weight)
    head.bias.copy_(adapted.bias)
    if new.calibration is not None:
        new.calibration = replace(new.calibration, sets=None, adapted=True)
    new.config = replace(new.config, statistics="training")
    return new.eval()
