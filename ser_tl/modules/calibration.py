"""What makes a classifier's probabilities match frequencies: numbers that its logits are multiplied by.

    logits (..., C) --Calibration.apply()--> probabilities (..., C)

    temperature   softmax(logits / T), one T (Guo et al. 2017): the likeliest emotion stays the likeliest
    vector        softmax(w * logits + b), a factor and a bias an emotion (likewise): it may become another
    distance      beyond the usual distance to the training data, scaled logits / (1 + d ln(distance / usual)), as
                  density-aware calibration does (Tomani et al. 2023): the further away, the less sure

It is part of a model: kept in its config.json and in its exports, and applied wherever probabilities are given. A model
that never had one gives softmax(logits) and says so. Numpy alone: `inference.calibration` fits it.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np

from ser_tl.errors import CheckpointError
from ser_tl.modules.conformal import PredictionSets

NEVER = "never calibrated: the softmax of the logits, which ranks emotions and isn't a frequency"
"""What is said of a model without calibration."""

ADAPTED_SINCE = (
    "; since then the model was adapted to other recordings without labels, on which its probabilities may be far off: "
    "fit them to some labelled clips of that kind (ser-tl calibrate)"
)


@dataclass(frozen=True)
class Calibration:
    """How logits become probabilities.

    Args:
        method: `temperature` or `vector`
        scale: factors of the logits: one for all emotions, or one each
        bias: added to the scaled logits, one an emotion; empty for none
        source: whose clips it was fitted on, in words
        clips: how many
        speakers: of how many speakers
        log_loss_before: mean over these clips, of the uncalibrated probabilities
        log_loss_after: likewise, of the calibrated ones
        sets: thresholds of prediction sets; None where there are none
        outlier_threshold: outlier score above which a recording is unlike the training data: that of 95 % of new
            speakers' clips is below; None where there is no score
        distance: d, by which recordings beyond the usual distance are softened; 0 for not at all
        shortest: seconds of speech below which answers are worth much less, or it wasn't measured what they are worth;
            None where nothing was
        adapted: whether the model was adapted to other recordings since, of which none had a label to fit this to
    """

    method: Literal["temperature", "vector"]
    scale: list[float]
    bias: list[float]
    source: str
    clips: int
    speakers: int
    log_loss_before: float
    log_loss_after: float
    sets: PredictionSets | None = None
    outlier_threshold: float | None = None
    distance: float = 0.0
    shortest: float | None = None
    adapted: bool = False

    @property
    def temperature(self) -> float | None:
        """By which logits are divided; None with a factor an emotion."""
        return 1.0 / self.scale[0] if len(self.scale) == 1 else None

    def apply(self, logits: np.ndarray, remoteness: np.ndarray | None = None) -> np.ndarray:
        """Probabilities (..., C) float64.

        Args:
            logits: (..., C)
            remoteness: (...) distances to the training data, relative to the usual one; None for such
        """
        scaled = logits.astype(np.float64) * np.array(self.scale) + np.array(self.bias or [0.0])
        if remoteness is not None and self.distance:
            scaled /= (1.0 + self.distance * np.log(np.maximum(remoteness.astype(np.float64), 1.0)))[..., None]
        scaled -= scaled.max(axis=-1, keepdims=True)
        exponentials = np.exp(scaled)
        return exponentials / exponentials.sum(axis=-1, keepdims=True)

    def describe(self) -> str:
        """In a line, for reports and cards."""
        how = f"temperature {self.temperature:.2f}" if self.temperature else "a factor and a bias an emotion (vector)"
        softer = f", softer beyond the usual distance (weight {self.distance:.2f})" if self.distance else ""
        short = "" if self.shortest is None else f"; clips under {self.shortest:g} s of speech are marked as too short"
        since = ADAPTED_SINCE if self.adapted else ""
        return (
            f"calibrated by {how}{softer}, fitted on {self.clips} clips of {self.speakers} speakers: {self.source}; "
            f"log loss on these {self.log_loss_before:.3f} before, {self.log_loss_after:.3f} after{short}{since}"
        )

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        content = asdict(self)
        return content if self.adapted else {name: value for name, value in content.items() if name != "adapted"}

    @classmethod
    def from_json(cls, value: Any, classes: int, source: object) -> Self | None:  # noqa: ANN401 - any JSON
        """The calibration that a model's config holds; None where it holds none, as models saved before have it.

        Args:
            value: of the config
            classes: number of emotions, C
            source: where it was read, for messages

        Raises:
            CheckpointError: it is no calibration of this number of emotions
        """
        if value is None:
            return None
        try:
            values: dict[str, Any] = dict(value)
            sets = None if values.get("sets") is None else PredictionSets.from_json(values["sets"])
            values["sets"] = sets
            calibration = cls(**values)
            limit = [] if calibration.outlier_threshold is None else [calibration.outlier_threshold]
            numbers = np.array([*calibration.scale, *calibration.bias, *limit, calibration.distance], dtype=np.float64)
            if not min(calibration.scale) > 0:
                raise ValueError(f"scale is {calibration.scale}, expected factors above 0")
            if calibration.shortest is not None and not 0 < calibration.shortest < math.inf:
                raise ValueError(f"shortest is {calibration.shortest}, expected seconds above 0")
            if calibration.distance < 0 or (limit and not limit[0] > 0 and calibration.distance):
                raise ValueError(f"distance {calibration.distance} at a threshold of {limit}: expected 0 or more")
            fits = len(calibration.scale) in (1, classes) and len(calibration.bias) in (0, classes)
            fits = fits and bool(np.isfinite(numbers).all())
            fits = fits and (sets is None or all(len(threshold.by_class) == classes for threshold in sets.thresholds))
            _ = calibration.describe()
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise _damaged(source, f"{type(error).__name__}: {error}") from error
        if not fits:
            raise _damaged(
                source, f"scale {calibration.scale!r:.80}, bias {calibration.bias!r:.80} for {classes} emotions"
            )
        return calibration


def describe_calibration(value: Mapping[str, Any] | Calibration | None, classes: int) -> str:
    """A line on a model's calibration, or on its absence.

    Args:
        value: the calibration, as itself or as JSON
        classes: number of emotions, C
    """
    calibration = value if isinstance(value, Calibration) else Calibration.from_json(value, classes, "the calibration")
    return NEVER if calibration is None else calibration.describe()


def _damaged(source: object, problem: str) -> CheckpointError:
    return CheckpointError(
        f"{source}: its calibration can't be used ({problem}); save the model again, or take the calibration out"
    )
