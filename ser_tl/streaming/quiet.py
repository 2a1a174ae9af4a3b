"""The quietest moment between two points of speech, and how quiet it is: where speakers pause, emotions change.

turn (N,), points (T,) --find_quiet_moments()--> QuietMoments: positions (T - 1,), depths in dB (T - 1,)
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ser_tl.data.audio import SAMPLE_RATE

_FRAME, _STEP = SAMPLE_RATE // 50, SAMPLE_RATE // 100  # a level over 20 ms, each 10 ms
_MOMENT = 11  # frames of a moment: 0.1 s, longer than the closure of a stop
_AROUND = 150  # frames on each side, whose level is that of the speech: 1.5 s
_LOUD = 80  # percentile of them
_DEEPEST = 40.0  # dB: digital silence is no more of a pause than a room's


class QuietMoments(NamedTuple):
    """Moments between neighbouring points.

    Attributes:
        positions: (T - 1,) samples into the turn
        depths: (T - 1,) dB below the speech before and behind them, whichever is less, 0 to 40
    """

    positions: np.ndarray
    depths: np.ndarray


def find_quiet_moments(samples: np.ndarray, points: np.ndarray) -> QuietMoments:
    """The quietest tenth of a second between each two points.

    Args:
        samples: (N,) of a turn
        points: (T,) samples into it, in order
    """
    levels = _measure_levels(samples)
    padded = np.pad(levels, _MOMENT // 2, mode="edge")
    moments = np.convolve(padded, np.full(_MOMENT, 1 / _MOMENT), mode="valid")
    positions, depths = [], []
    for first, last in pairwise(points.tolist()):
        begin = min(int(first) // _STEP, len(moments) - 1)
        index = begin + int(moments[begin : max(begin + 1, int(last) // _STEP)].argmin())
        sides = levels[max(0, index - _AROUND) : index + 1], levels[index : index + _AROUND]
        loud = min(np.percentile(side, _LOUD) for side in sides)  # where speech only gets quieter is no pause
        position = min(max(index * _STEP + _FRAME // 2, int(first)), int(last))
        positions.append(position)
        depths.append(min(max(float(loud - moments[index]), 0.0), _DEEPEST))
    return QuietMoments(np.array(positions, np.int64), np.array(depths))


def _measure_levels(samples: np.ndarray) -> np.ndarray:
    """Levels in dB of frames of 20 ms; of the whole where it is shorter."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    starts = np.arange(max(1, (len(samples) - _FRAME) // _STEP + 1)) * _STEP
    stops = np.minimum(starts + _FRAME, len(samples))
    return 10 * np.log10((energy[stops] - energy[starts]) / np.maximum(stops - starts, 1) + 1e-10)
