"""The shortest clip that a model judges about as well as a whole one.

    clips of speakers whom the weights never saw --cut_middles()--> their middle parts, of several lengths
    the answers to both --judge_parts()--> JudgedParts --find_shortest()--> Calibration.shortest

A model gives an answer for any length, and it looks like every other. How much it is worth is measured here, on the
same clips with less of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from datasets import Dataset

from ser_tl.data.audio_config import SAMPLE_RATE
from ser_tl.data.batching import Clip, Clips
from ser_tl.inference.distance import draw_rows
from ser_tl.inference.scoring import evaluation_clips
from ser_tl.model import EmotionModel

LENGTHS = (0.5, 1.0, 1.5, 2.0)
"""Of the parts, seconds."""

MOST_CLIPS = 80
"""That are cut."""

FEWEST_PARTS = 20
"""Of one length, of which a score is worth something."""

MOST_LOST = 0.1
"""Of UAR that a part may lose against the whole clip, a fraction."""


class MiddleParts:
    """The middle of each clip that is longer, for each length.

    Args:
        windows: the clips as they are in evaluation

    Attributes:
        lengths: (m,) seconds of each part
    """

    def __init__(self, windows: Clips) -> None:
        self.epoch = 0
        self._windows = windows
        seconds = windows.seconds
        self._parts = [(row, length) for row in range(len(windows)) for length in LENGTHS if seconds[row] > length]
        self.lengths = np.array([length for _, length in self._parts])

    @property
    def seconds(self) -> list[float]:
        """The length of each part."""
        return self.lengths.tolist()

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, index: int) -> Clip:
        row, length = self._parts[index]
        clip = self._windows[row]
        samples = round(length * SAMPLE_RATE)
        start = max(0, (len(clip.waveform) - samples) // 2)
        return clip._replace(waveform=clip.waveform[start : start + samples])


def cut_middles(model: EmotionModel, corpus: Dataset) -> MiddleParts:
    """Parts of some clips of a corpus; the same for every process.

    Args:
        model: whose windows are cut
        corpus: of speakers whom its weights, or the classifiers that judge, never saw
    """
    return MiddleParts(evaluation_clips(model, draw_rows(corpus, MOST_CLIPS, seed=1)))


class Judged(NamedTuple):
    """The answers to some clips.

    Attributes:
        ids: of their utterances
        logits: (m, C)
        labels: (m,) class indices
    """

    ids: Sequence[str]
    logits: np.ndarray
    labels: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """(m,) whether the likeliest class is the clip's."""
        return self.logits.argmax(axis=1) == self.labels


class JudgedParts(NamedTuple):
    """Parts of clips, and whether they are answered right.

    Attributes:
        lengths: (m,) seconds
        labels: (m,) class indices
        right: (m,) whether the part is
        whole: (m,) whether the whole clip is
    """

    lengths: np.ndarray
    labels: np.ndarray
    right: np.ndarray
    whole: np.ndarray


def judge_parts(parts: Judged, lengths: np.ndarray, clips: Judged) -> JudgedParts:
    """Puts the answers to parts beside those to the clips that they are of.

    Args:
        parts: the parts
        lengths: (m,) seconds of each
        clips: the whole clips, these among them
    """
    whole = dict(zip(clips.ids, clips.right.tolist(), strict=True))
    return JudgedParts(lengths, parts.labels, parts.right, np.array([whole[name] for name in parts.ids]))


def find_shortest(parts: JudgedParts) -> float | None:
    """The shortest length, in seconds, down to which parts lose at most `MOST_LOST` of the whole clips' UAR.

    The longest that was measured where even that loses more; None where too few clips are long enough.
    """
    shortest = None
    for length in sorted(set(parts.lengths.tolist()), reverse=True):
        rows = parts.lengths == length
        if rows.sum() < FEWEST_PARTS:
            continue
        labels = parts.labels[rows]
        lost = _mean_recall(parts.whole[rows], labels) - _mean_recall(parts.right[rows], labels)
        if lost > MOST_LOST:
            return length if shortest is None else shortest
        shortest = length
    return shortest


def _mean_recall(right: np.ndarray, labels: np.ndarray) -> float:
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))
