"""How much less sure a model is to be of recordings that are unlike its training data.

    clips of speakers whom the weights never saw --perturb()--> the same, as recordings are outside of a studio
    their logits, labels and distances --fit_distance()--> Calibration.distance

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

MOST_CLIPS = 600
"""That are changed, each encoded once more: fitted to 200 of them, the number differed by a third between draws."""

_WEIGHTS = np.arange(0.0, 10.0, 0.05)  # that are tried
_PRIOR = 0.5  # of the squared weight: one clip's worth


class Perturbed(NamedTuple):
    """A model's output for changed clips.

    Attributes:
        logits: (n, C)
        labels: (n,) class indices
        remoteness: (n,) distances to the training data, relative to the usual one
    """

    logits: np.ndarray
    labels: np.ndarray
    remoteness: np.ndarray


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


def perturb(model: EmotionModel, corpus: Dataset) -> PerturbedClips:
    """Some clips of a corpus, changed; the same for every process.

    Args:
        model: whose windows are cut
        corpus: of speakers whom its weights, or the classifiers that judge, never saw
    """
    return PerturbedClips(evaluation_clips(model, draw_rows(corpus, MOST_CLIPS, seed=0)))


def draw_rows(corpus: Dataset, most: int, seed: int) -> Dataset:
    """Some rows of a corpus, in its order; the same for every process.

    Args:
        corpus: all of its rows, where they are no more
        most: rows at most
        seed: of the draw
    """
    count = len(corpus)
    rows = sorted(np.random.default_rng(seed).permutation(count)[:most].tolist())
    return corpus if len(rows) == count else corpus.select(rows)


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
        likelihood = replace(calibration, distance=weight).apply(perturbed.logits, perturbed.remoteness)[index]
        return float(-np.log(np.maximum(likelihood, 1e-12)).sum()) + _PRIOR * weight**2

    return replace(calibration, distance=float(min(_WEIGHTS, key=loss)))
