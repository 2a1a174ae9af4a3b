"""Windows to named answers, by a session: exactly what `Predictor` says of the same samples."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.inference.session import OutputRequest, Session

_WANTED = OutputRequest()


class WindowAnswer(NamedTuple):
    """Probabilities (C,) and dimensions (K,) of a window."""

    probabilities: np.ndarray
    dimensions: np.ndarray


def answer_window(session: Session, samples: np.ndarray) -> WindowAnswer:
    """The answer for samples (N,) at 16 kHz, no longer than `AudioConfig.max_seconds`."""
    answers = session.run(samples[None], np.array([len(samples)], np.int64), _WANTED)
    return WindowAnswer(answers.probabilities[0], answers.dimensions[0])


def answer_clip(session: Session, samples: np.ndarray) -> WindowAnswer:
    """The answer for samples of any length: the mean over the windows that evaluation would cut."""
    parts = session.audio.segments(len(samples) / SAMPLE_RATE)
    windows = [samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)] for start, end in parts]
    answers = [answer_window(session, window) for window in windows]
    return WindowAnswer(
        np.stack([answer.probabilities for answer in answers]).mean(axis=0, dtype=np.float64),
        np.stack([answer.dimensions for answer in answers]).mean(axis=0, dtype=np.float64),
    )


def name_values(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    """Values by name."""
    return dict(zip(names, values.tolist(), strict=True))


def likeliest(names: Sequence[str], values: np.ndarray) -> str:
    """The name of the largest value; empty where there are none."""
    return names[int(values.argmax())] if names else ""
