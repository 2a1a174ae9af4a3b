"""How much less sure a model is to be of recordings that are unlike its training data.

    clips of speakers whom the weights never saw --perturb()--> the same, as recordings are outside of a studio
    their logits, labels and outlier scores --fit_distance()--> Calibration.distance

A temperature that is fitted on the corpus' own speakers says nothing of other rooms, microphones and languages, where
models are as sure and far less often right. Density-aware calibration (Tomani et al. 2023) softens logits by how far a
clip is from the training data. It takes clips at some distance whose emotion is known: here the held-out speakers' own,
changed by the augmentation preset `field`, as calibration under domain drift does (Tomani et al. 2021). No other corpus
has a part in it.
"""

import zlib
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from datasets import Dataset

from ser_tl.augment import AugmentConfig
from ser_tl.augment.chain import VOICES
from ser_tl.augment.preview import Augmenter
from ser_tl.data.batching import Clip, Clips
from ser_tl.inference.scoring import evaluation_clips
from ser_tl.model import EmotionModel
from ser_tl.modules.calibration import Calibration

PRESET = "field"

MOST_CLIPS = 200
"""That are changed: one number is fitted to them, and each is encoded once more."""

_WEIGHTS = np.arange(0.0, 10.0, 0.05)  # that are tried
_PRIOR = 0.5  # of the squared weight: one clip's worth


class Perturbed(NamedTuple):
    """A model's output for changed clips.

    Attributes:
        logits: (n, C)
        labels: (n,) class indices
        scores: (n,) outlier scores
    """

    logits: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


class PerturbedClips:
    """Clips changed by an augmentation, each in one way that follows from its id.

    Args:
        windows: the clips as they are in evaluation
    """

    def __init__(self, windows: Clips) -> None:
        self.windows = windows
        self.epoch = 0
        voices = [windows[index].waveform.numpy() for index in range(min(len(windows), VOICES))]
        self._augment = Augmenter(AugmentConfig(preset=PRESET), voices)

    @property
    def seconds(self) -> list[float]:
        """About the length of each clip."""
        return self.windows.seconds

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> Clip:
        clip = self.windows[index]
        (waveform,) = self._augment([clip.waveform.numpy()], zlib.crc32(clip.id.encode()), index)
        return clip._replace(waveform=torch.from_numpy(np.ascontiguousarray(waveform)))


def perturb(model: EmotionModel, corpus: Dataset) -> tuple[Dataset, PerturbedClips]:
    """Some clips of a corpus, and the same changed.

    Args:
        model: whose windows are cut
        corpus: of speakers whom its weights, or the classifiers that judge, never saw

    Returns:
        The chosen rows, and their clips; the same for every process.
    """
    count = len(corpus)
    rows = sorted(np.random.default_rng(0).permutation(count)[:MOST_CLIPS].tolist())
    chosen = corpus if len(rows) == count else corpus.select(rows)
    return chosen, PerturbedClips(evaluation_clips(model, chosen))


def fit_distance(calibration: Calibration, perturbed: Perturbed) -> Calibration:
    """The calibration with the weight of the distance that makes changed clips likeliest; others keep what they had.

    Args:
        calibration: with its scale, and the outlier score's threshold
        perturbed: changed clips
    """
    if calibration.outlier_threshold is None:
        return calibration
    index = np.arange(len(perturbed.labels)), perturbed.labels

    def loss(weight: float) -> float:
        likelihood = replace(calibration, distance=weight).apply(perturbed.logits, perturbed.scores)[index]
        return float(-np.log(np.maximum(likelihood, 1e-12)).sum()) + _PRIOR * weight**2

    return replace(calibration, distance=float(min(_WEIGHTS, key=loss)))
