"""What an answer is made of over time: the weights of frames, or the probabilities of short windows.

    has_attention(session)    join_weights(windows, answers, ...) -> TimeCourse, of kind `attention`
    otherwise                 plan_windows(seconds), join_probabilities(windows, answers, ...), of kind `windows`

A pooling with attention says itself how much each frame counts. Others (mean, statistics) and exported graphs don't,
and nothing is made up for them: the model is asked about each short window alone, which is another question.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ser_tl.data.audio import Window
from ser_tl.errors import ConfigError
from ser_tl.inference.session import ClipOutput, Session
from ser_tl.inference.windows import answer_window

WINDOW = 1.0
"""Seconds of a short window: a few syllables."""

STEP = 0.25
"""Seconds between windows, of recordings up to a minute."""

MOST_WINDOWS = 240
"""Of longer ones, which are looked at less closely: it bounds what a request costs."""

MOST_WEIGHTS = 400
"""Frames of longer recordings are added up, so many of them to a value."""


class TimeCourse(NamedTuple):
    """Values at equal distances. Value `i` is about `seconds` seconds from `i * step` on.

    Attributes:
        kind: `attention` or `windows`
        seconds: that a value is about
        step: seconds between values
        weights: shares of the answer, adding up to 1; empty for windows
        probabilities: by emotion; None where a window has no speech; empty for attention
        dimensions: likewise
    """

    kind: str
    seconds: float
    step: float
    weights: list[float]
    probabilities: dict[str, list[float | None]]
    dimensions: dict[str, list[float | None]]


def has_attention(session: Session) -> bool:
    """Whether a session gives the weights of frames."""
    try:
        session.check_attention()
    except ConfigError:
        return False
    return True


def plan_windows(seconds: float) -> list[tuple[float, float]]:
    """Start and end of each short window of a recording, in seconds: at equal distances from its start to its end.

    Args:
        seconds: the recording's length
    """
    if seconds <= WINDOW:
        return [(0.0, seconds)]
    count = min(MOST_WINDOWS, 1 + math.ceil((seconds - WINDOW) / STEP))
    step = (seconds - WINDOW) / (count - 1)
    return [(number * step, number * step + WINDOW) for number in range(count)]


def join_probabilities(windows: Sequence[Window], answers: Iterable[ClipOutput], session: Session) -> TimeCourse:
    """The course of probabilities and dimensions.

    Args:
        windows: of `plan_windows`
        answers: for each
        session: whose answers they are
    """
    answered = [answer_window(*both) for both in zip(windows, answers, strict=True)]
    seconds = windows[0].end - windows[0].start
    step = windows[1].start - windows[0].start if len(windows) > 1 else seconds

    def gather(names: Sequence[str], rows: Iterable[np.ndarray]) -> dict[str, list[float | None]]:
        values = [
            row.tolist() if window.speech else [None] * len(names) for window, row in zip(answered, rows, strict=True)
        ]
        return {name: [value[index] for value in values] for index, name in enumerate(names)}

    probabilities = gather(session.labels, (window.answer.probabilities for window in answered))
    dimensions = gather(session.dimensions, (window.answer.dimensions for window in answered))
    return TimeCourse("windows", seconds, step, [], probabilities, dimensions)


def join_weights(
    windows: Sequence[Window], answers: Iterable[ClipOutput], frame_rate: float, seconds: float
) -> TimeCourse:
    """The course of attention. Windows count alike, as they do in the answer.

    Args:
        windows: that the model's answer is the mean of
        answers: for each, with attention
        frame_rate: frames a second
        seconds: the recording's length
    """
    frames = max(1, math.ceil(seconds * frame_rate))
    frames_each = math.ceil(frames / MOST_WEIGHTS)
    weights = np.zeros(math.ceil(frames / frames_each))
    for window, answer in zip(windows, answers, strict=True):
        row = np.zeros(0) if answer.attention is None else answer.attention.astype(np.float64)
        index = (round(window.start * frame_rate) + np.arange(len(row))) // frames_each
        np.add.at(weights, np.minimum(index, len(weights) - 1), row / len(windows))
    step = frames_each / frame_rate
    return TimeCourse("attention", step, step, weights.tolist(), {}, {})
