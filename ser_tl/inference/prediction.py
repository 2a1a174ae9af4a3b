"""What a model says of one recording: numbers and names, nothing of how they came about."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Segment:
    """A window of a recording, with its own answer.

    Args:
        start: seconds into the recording
        end: likewise
        label: the likeliest emotion in it; empty where there is no speech, or from a model of dimensions alone
        probabilities: by emotion, adding up to 1; empty likewise
        dimensions: arousal, valence or dominance by name; empty if the model has none
        speech: False where the window is silent
        embedding: (E,) the head's input; only if asked for, and of a window that isn't silent
    """

    start: float
    end: float
    label: str
    probabilities: dict[str, float]
    dimensions: dict[str, float] = field(default_factory=dict)
    speech: bool = True
    embedding: np.ndarray | None = None

    def to_dict(self) -> dict[str, Any]:
        """Everything but the embedding, as JSON has it."""
        return {name: value for name, value in vars(self).items() if name != "embedding"}


@dataclass(frozen=True)
class Prediction:
    """The emotion in one recording.

    Args:
        label: the likeliest emotion; empty from a model of dimensions alone, for silence, and where `error` is set
        probabilities: by emotion, adding up to 1; empty likewise
        dimensions: arousal, valence or dominance by name, on the scale of the training corpus; empty if the model has
            none
        segments: the windows that a recording longer than `AudioConfig.max_seconds` was cut into, in order; a shorter
            one is a single segment
        embedding: (E,) the head's input, the mean over the windows; only if asked for
        attention: (windows, T) weight of each frame, adding up to 1 in each window; only if asked for
        frame_seconds: (windows, T) when each frame begins, seconds into the recording; only if asked for
        seconds: the recording's length
        speech: False where the whole recording is silent: there is no speech to predict an emotion from
        error: why the recording couldn't be used; None where it could
        source: the recording's name: its path, or its position in the list
        calibrated: whether probabilities are calibrated; else they rank emotions, and aren't frequencies
        prediction_set: the emotions that it may have at the coverage asked for, likeliest first; empty where none was
        abstained: whether no single emotion can be named: at the coverage asked for there are several, or the
            recording is unlike the training data
        outlier_score: how unlike the training data it is, to about 1 for recordings like it; None without a score
        unlike_training: whether that is more than of 95 % of the clips of speakers whom the model didn't know
        too_short: whether there is less speech than the model was seen to judge well (`Calibration.shortest`)
    """

    label: str
    probabilities: dict[str, float]
    dimensions: dict[str, float] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    embedding: np.ndarray | None = None
    attention: list[np.ndarray] | None = None
    frame_seconds: list[np.ndarray] | None = None
    seconds: float = 0.0
    speech: bool = True
    error: str | None = None
    source: str = ""
    calibrated: bool = False
    prediction_set: tuple[str, ...] = ()
    abstained: bool = False
    outlier_score: float | None = None
    unlike_training: bool = False
    too_short: bool = False

    def top(self, count: int) -> list[tuple[str, float]]:
        """The likeliest emotions with their probabilities, likeliest first.

        Args:
            count: at most this many
        """
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[:count]

    def to_dict(self) -> dict[str, Any]:
        """Everything that is there, as JSON has it: arrays become lists, what is empty or None is left out."""
        plain: dict[str, Any] = {"label": self.label, "probabilities": self.probabilities, "seconds": self.seconds}
        if not self.speech:
            plain["speech"] = False
        if self.probabilities:
            plain["calibrated"] = self.calibrated
        if self.outlier_score is not None:
            plain |= {"outlier_score": self.outlier_score, "unlike_training": self.unlike_training}
        if self.too_short:
            plain["too_short"] = True
        if self.prediction_set:
            plain |= {"prediction_set": list(self.prediction_set), "abstained": self.abstained}
        if self.dimensions:
            plain["dimensions"] = self.dimensions
        if len(self.segments) > 1:
            plain["segments"] = [segment.to_dict() for segment in self.segments]
        if self.embedding is not None:
            plain["embedding"] = self.embedding.tolist()
        if self.attention is not None and self.frame_seconds is not None:
            plain["attention"] = [weights.tolist() for weights in self.attention]
            plain["frame_seconds"] = [seconds.tolist() for seconds in self.frame_seconds]
        return plain if self.error is None else {"error": self.error}
