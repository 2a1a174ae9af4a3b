"""Defaults that a closed-form classifier on frozen, pooled states can judge: features are made once, a probe is cheap.

corpus --pool_states--> (n, L, 2D), kept in a file --Probe.predict, in folds by speaker--> Report
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from datasets import Dataset
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import ser_tl as ser
from ser_tl.data import schema
from ser_tl.distill.probe import clip_statistics
from ser_tl.evaluation import Predictions, Report
from ser_tl.modules import discriminant
from ser_tl.training.norm_effect import standardize_domains

FOLDS = 6
ENCODERS = {
    "soundnet recorded": ("soundnet", {"taps": ["conv3", "conv4", "conv5"]}),
    "soundnet even": ("soundnet", {"taps": ["conv3", "conv4", "conv5"], "loudness": "even"}),
    "soundnet conv4-5": ("soundnet", {}),
    "wav2vec2-mini": ("wav2vec2-mini", {}),
    "whisper": ("WHISPER", {}),
    "whisper feed-forward": ("WHISPER", {"feed_forward": True}),
    "mfcc": ("mfcc", {}),
}


class Probe(NamedTuple):
    """A closed-form system.

    Attributes:
        encoders: names of `ENCODERS`, set side by side
        layers: of the only encoder; all if None
        means: mean over time alone, without the deviation
        statistics: whose mean and deviation are taken out: of the `training` speech or of each `speaker`
        fewest: a speaker of fewer clips has the statistics of all others
        strength: C of a logistic regression in the place of the discriminant; None for this
        shrinkage: of the discriminant; None lets held-out training speakers choose it, as the library does
        apart: a discriminant for each layer
        farthest: deviations at which a channel's farthest training value stands, at most
    """

    encoders: tuple[str, ...]
    layers: tuple[int, ...] | None = None
    means: bool = False
    statistics: str = "training"
    fewest: int = 1
    strength: float | None = None
    shrinkage: float | None = 0.5
    apart: bool = False
    farthest: float = discriminant._FARTHEST

    def predict(self, clips: Dataset, features: dict[str, np.ndarray], *, seed: int = 0) -> Report:
        """Tests each speaker once, in folds."""
        chosen = [features[name] for name in self.encoders]
        if self.layers is not None:
            chosen = [rows[:, list(self.layers)] for rows in chosen]
        if self.means:
            chosen = [rows[:, :, : rows.shape[2] // 2] for rows in chosen]
        rows = torch.from_numpy(np.concatenate([part.reshape(len(part), -1) for part in chosen], axis=1)).double()
        layer = chosen[0].shape[2]
        parts = list(torch.arange(rows.shape[1]).split(layer)) if self.apart else []
        names, classes = clips["speaker"][:], schema.emotions(clips)
        labels = torch.tensor([classes.index(emotion) for emotion in clips["emotion"][:]])
        if self.statistics == "speaker":
            counts = Counter(names)
            own = [name if counts[name] >= self.fewest else "few clips" for name in names]
            rows = standardize_domains(rows, own)
        speakers = np.random.default_rng(seed).permutation(sorted(set(names))).tolist()
        fold_of = {name: number % min(FOLDS, len(speakers)) for number, name in enumerate(speakers)}
        fold = torch.tensor([fold_of[name] for name in names])
        probabilities = np.zeros((len(rows), len(classes)))
        usual, discriminant._FARTHEST = discriminant._FARTHEST, self.farthest
        try:
            for number in sorted(set(fold_of.values())):
                out = fold == number
                others = [name for name, held in zip(names, out.tolist(), strict=True) if not held]
                if self.strength is not None:
                    regression = make_pipeline(StandardScaler(), LogisticRegression(C=self.strength, max_iter=300))
                    regression.fit(rows[~out].numpy(), labels[~out].numpy())
                    probabilities[np.ix_(out.numpy(), regression.classes_)] = regression.predict_proba(
                        rows[out].numpy()
                    )
                    continue
                fitted = self._fit(rows[~out], labels[~out], others, len(classes), parts)
                with torch.no_grad():
                    probabilities[out.numpy()] = fitted(rows[out].float()).double().softmax(dim=-1).numpy()
        finally:
            discriminant._FARTHEST = usual
        return Report.of(Predictions(clips["id"][:], names, clips["emotion"][:], probabilities, classes))

    def _fit(
        self, rows: torch.Tensor, labels: torch.Tensor, speakers: Sequence[str], classes: int, parts: list[torch.Tensor]
    ) -> discriminant.Discriminant:
        if self.shrinkage is None:
            return discriminant.fit_discriminant(rows, labels, speakers, classes, parts).discriminant
        return discriminant.build_discriminant(rows, labels, classes, self.shrinkage, 1.0, channel_groups=parts)


def pool_states(clips: Dataset, name: str, file: Path, whisper: Path | None) -> np.ndarray:
    """Mean and deviation over time of each state of each clip, (n, L, 2D), read from the file if it is there.

    Args:
        clips: the corpus
        name: of `ENCODERS`
        file: where they are kept, .npz
        whisper: whisper-tiny.en's folder
    """
    if file.is_file():
        kept = np.load(file)
        if kept["ids"].tolist() == clips["id"][:]:
            return kept["rows"]
    source, options = ENCODERS[name]
    encoder = ser.load_encoder(source.replace("WHISPER", str(whisper)), **options)
    rows = clip_statistics(encoder, clips)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file.with_suffix(".part.npz"), ids=np.array(clips["id"][:]), rows=rows)
    file.with_suffix(".part.npz").replace(file)
    return rows


_WHISPER = ("whisper",)
GROUPS: dict[str, dict[str, Probe]] = {
    "loudness": {
        "as recorded": Probe(("soundnet recorded",)),
        "even": Probe(("soundnet even",)),
        "both": Probe(("soundnet recorded", "soundnet even")),
    },
    "taps": {
        "conv3 to conv5": Probe(("soundnet recorded",)),
        "conv4 and conv5, the library's": Probe(("soundnet conv4-5",)),
    },
    "layers": {
        "all layers": Probe(_WHISPER),
        "layers 1 to 4, the recipe's": Probe(_WHISPER, (1, 2, 3, 4)),
        "layers 1 to 3": Probe(_WHISPER, (1, 2, 3)),
        "the last layer": Probe(_WHISPER, (4,)),
        "a discriminant a layer": Probe(_WHISPER, (1, 2, 3, 4), apart=True),
    },
    "discriminant": {
        "shrinkage by held-out speakers": Probe(_WHISPER, (1, 2, 3, 4), shrinkage=None),
        "shrinkage 0.1": Probe(_WHISPER, (1, 2, 3, 4), shrinkage=0.1),
        "shrinkage 0.5": Probe(_WHISPER, (1, 2, 3, 4)),
        "shrinkage 0.9": Probe(_WHISPER, (1, 2, 3, 4), shrinkage=0.9),
        "no rule of four deviations": Probe(_WHISPER, (1, 2, 3, 4), farthest=float("inf")),
    },
    "statistics": {
        "the training speech's": Probe(_WHISPER, (1, 2, 3, 4)),
        "each speaker's": Probe(_WHISPER, (1, 2, 3, 4), statistics="speaker"),
        "each speaker's of 8 clips or more": Probe(_WHISPER, (1, 2, 3, 4), statistics="speaker", fewest=8),
    },
    "pooling": {
        "mean and deviation": Probe(_WHISPER, (1, 2, 3, 4)),
        "mean": Probe(_WHISPER, (1, 2, 3, 4), means=True),
    },
    "feed-forward": {
        "layers 1 to 4": Probe(_WHISPER, (1, 2, 3, 4)),
        "feed-forward states too": Probe(("whisper feed-forward",)),
        "a discriminant a layer": Probe(("whisper feed-forward",), apart=True),
    },
    "strength": {
        "C 0.1": Probe(("wav2vec2-mini",), strength=0.1),
        "C 0.01": Probe(("wav2vec2-mini",), strength=0.01),
        "C 0.001": Probe(("wav2vec2-mini",), strength=0.001),
        "C 1": Probe(("wav2vec2-mini",), strength=1.0),
    },
    "statistics, SoundNet": {
        "the training speech's": Probe(("soundnet recorded",)),
        "each speaker's": Probe(("soundnet recorded",), statistics="speaker"),
    },
    "discriminant, SoundNet": {
        "shrinkage by held-out speakers": Probe(("soundnet recorded",), shrinkage=None),
        "shrinkage 0.1": Probe(("soundnet recorded",), shrinkage=0.1),
        "shrinkage 0.5": Probe(("soundnet recorded",)),
        "shrinkage 0.9": Probe(("soundnet recorded",), shrinkage=0.9),
        "no rule of four deviations": Probe(("soundnet recorded",), farthest=float("inf")),
    },
    "encoders": {
        "whisper-tiny.en": Probe(_WHISPER),
        "wav2vec2-mini": Probe(("wav2vec2-mini",)),
        "mfcc": Probe(("mfcc",)),
    },
}
CORPORA: dict[str, list[str]] = {  # the groups' corpora, in the order in which they are run
    "loudness": [
        "emotale, as recorded",
        "emotale, unbalanced",
        "emotale, coinciding",
        "emotale, clip gains",
        "ravdess, as recorded",
        "emotale, channels",
        "emodb, clip gains",
        "emotale, 1 to 15 s",
        "emotale, speaker gains",
        "emodb, as recorded",
        "ravdess, clip gains",
    ],
    "statistics": ["emotale, as recorded", "emotale, unbalanced", "emotale, coinciding"],
    "statistics, SoundNet": ["emotale, as recorded", "emotale, unbalanced", "emotale, coinciding"],
    "discriminant, SoundNet": ["emotale, as recorded", "emotale, unbalanced"],
    "layers": ["emotale, as recorded", "emotale, unbalanced", "emotale, 1 to 15 s"],
    "discriminant": ["emotale, as recorded", "emotale, unbalanced"],
    "taps": ["emotale, as recorded", "emotale, unbalanced"],
    "encoders": ["emotale, as recorded", "emotale, 1 to 15 s", "emotale, clip gains"],
    "pooling": ["emotale, as recorded", "emotale, unbalanced", "emotale, 1 to 15 s"],
    "feed-forward": ["emotale, as recorded", "emotale, unbalanced"],
    "strength": ["emotale, as recorded", "emotale, unbalanced"],
}
