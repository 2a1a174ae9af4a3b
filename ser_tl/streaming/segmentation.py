"""Where the emotion changes within a turn: a Viterbi path through the answers of centred windows.

    turn (N,) -> windows around every half second -> log-probabilities -> path with few changes -> parts, each answered

A turn of one emotion stays whole, and has exactly the answer of a clip that holds it.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.inference.session import OutputRequest, Session
from ser_tl.inference.windows import pad
from ser_tl.streaming.answering import answer_clip

_BATCH = 16  # windows that go through the model at once
_FLOOR = 0.05  # no window speaks against an emotion more than that, however sure it is


class Part(NamedTuple):
    """A part of a turn with one emotion.

    Attributes:
        start: samples into the turn
        stop: likewise
        probabilities: (C,) of the part as a clip
    """

    start: int
    stop: int
    probabilities: np.ndarray


class Curve(NamedTuple):
    """Probabilities over time.

    Attributes:
        centres: (T,) samples into the turn
        probabilities: (T, C)
    """

    centres: np.ndarray
    probabilities: np.ndarray


def measure_curve(session: Session, samples: np.ndarray, *, hop: float, window: float) -> Curve:
    """The answers of windows around points of a turn (N,); at its ends they are cut, by half at most."""
    step, half = round(hop * SAMPLE_RATE), round(window * SAMPLE_RATE) // 2
    count = max(1, round(len(samples) / step))
    centres = ((np.arange(count) + 0.5) * len(samples) / count).astype(np.int64)
    windows = [samples[max(0, centre - half) : centre + half] for centre in centres]
    rows = []
    for first in range(0, count, _BATCH):
        rows.append(session.run(*pad(windows[first : first + _BATCH]), OutputRequest()).probabilities)
    return Curve(centres, np.concatenate(rows))


def split_turn(session: Session, samples: np.ndarray, curve: Curve, *, penalty: float) -> list[Part]:
    """The parts of a turn.

    Args:
        session: answers the parts
        samples: (N,) of the turn
        curve: of it
        penalty: nats that a change costs; infinite keeps turns whole
    """
    path = find_path(np.log(np.maximum(curve.probabilities, _FLOOR)), penalty)
    changes = np.flatnonzero(path[1:] != path[:-1])
    edges = [0, *((curve.centres[changes] + curve.centres[changes + 1]) // 2).tolist(), len(samples)]
    parts: list[Part] = []
    for start, stop in pairwise(edges):
        answer = answer_clip(session, samples[start:stop]).probabilities
        if parts and parts[-1].probabilities.argmax() == answer.argmax():  # as clips they say the same
            start = parts.pop().start
            answer = answer_clip(session, samples[start:stop]).probabilities
        parts.append(Part(start, stop, answer))
    return parts


def find_path(scores: np.ndarray, penalty: float) -> np.ndarray:
    """The states (T,) of the highest score in all, each change paid for.

    Args:
        scores: (T, C) of each state at each time
        penalty: what a change from one state to another costs
    """
    count, states = scores.shape
    total, before = scores[0].astype(np.float64), np.zeros((count, states), np.int64)
    for time in range(1, count):
        best = int(total.argmax())
        stay = total >= total[best] - penalty
        before[time] = np.where(stay, np.arange(states), best)
        total = np.where(stay, total, total[best] - penalty) + scores[time]
    path = np.zeros(count, np.int64)
    path[-1] = total.argmax()
    for time in range(count - 1, 0, -1):
        path[time - 1] = before[time, path[time]]
    return path
