"""Where the emotion changes within a turn: a Viterbi path through the answers of centred windows.

    turn (N,) -> windows around points -> log-probabilities -> path with few changes, at pauses -> parts, each answered

Windows alone blur a border over their own length. Emotions change between phrases more often than within words, so a
change costs less the quieter the moment, and the border is there. A turn of one emotion stays whole, and has exactly
the answer of a clip that holds it.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.inference.session import OutputRequest, Session
from ser_tl.inference.windows import pad
from ser_tl.streaming.answering import answer_clip
from ser_tl.streaming.quiet import find_quiet_moments

_BATCH = 16  # windows that go through the model at once
_FLOOR = 0.05  # no window speaks against an emotion more than that, however sure it is
_UNIT = 0.5  # seconds: windows closer together say in part the same, and count as much in all
_QUIET = 0.12  # nats a decibel by which a change costs less at a quiet moment
_LEAST = 0.25  # nats that a change costs everywhere


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
        penalty: nats that a change costs where it isn't quiet; infinite keeps turns whole
    """
    moments = find_quiet_moments(samples, curve.centres)
    seconds = len(samples) / SAMPLE_RATE / len(curve.centres)
    scores = np.log(np.maximum(curve.probabilities, _FLOOR)) * seconds / _UNIT
    path = find_path(scores, np.maximum(penalty - _QUIET * moments.depths, min(penalty, _LEAST)))
    edges = [0, *moments.positions[path[1:] != path[:-1]].tolist(), len(samples)]
    parts: list[Part] = []
    for start, stop in pairwise(edges):
        answer = answer_clip(session, samples[start:stop]).probabilities
        if parts and parts[-1].probabilities.argmax() == answer.argmax():  # as clips they say the same
            start = parts.pop().start
            answer = answer_clip(session, samples[start:stop]).probabilities
        parts.append(Part(start, stop, answer))
    return parts


def find_path(scores: np.ndarray, penalty: float | np.ndarray) -> np.ndarray:
    """The states (T,) of the highest score in all, each change paid for.

    Args:
        scores: (T, C) of each state at each time
        penalty: what a change from one state to another costs; one number, or (T - 1,), each between two times
    """
    count, states = scores.shape
    penalties = np.broadcast_to(penalty, (count - 1,))
    total, before = scores[0].astype(np.float64), np.zeros((count, states), np.int64)
    for time in range(1, count):
        best = int(total.argmax())
        changed = total[best] - penalties[time - 1]
        stay = total >= changed
        before[time] = np.where(stay, np.arange(states), best)
        total = np.where(stay, total, changed) + scores[time]
    path = np.zeros(count, np.int64)
    path[-1] = total.argmax()
    for time in range(count - 1, 0, -1):
        path[time - 1] = before[time, path[time]]
    return path
