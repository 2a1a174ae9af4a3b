"""Whether an emotion that training never had can be told from those that it had, by several scores.

    python -m tests.benchmarks.unknown_emotions FOLDER --emodb DIR --ravdess DIR --whisper DIR

Frozen Whisper tiny.en, pooled; each emotion is left out of training in turn, and every fourth speaker (RAVDESS) or
every third (EMO-DB) tested. AUROC of that emotion's test clips against the others'. The scores:

    distance    Mahalanobis to the nearest emotion (Lee et al. 2018)
    relative    the same less the distance to all training clips (Ren et al. 2021), with a shrinkage of 0.8
    nearest     distance to the nearest emotion in the discriminant's own directions, one fewer than emotions
    entropy     of the softmax of these distances
    score       the outlier score of `modules.outliers`: nearest and entropy, and the distance beyond the usual

What is usual is measured on every fifth training speaker, by a score of the others.

Pooled states are kept in FOLDER, which may be that of `tests.benchmarks.calibration`.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from ser_tl.inference.outliers import GROUPS, set_usual
from ser_tl.modules.discriminant import Scatter
from ser_tl.modules.outliers import AXES_SHRINKAGE, OutlierScore
from ser_tl.training.norm_effect import standardize_domains
from tests.benchmarks.calibration import Clips, read_clips

EVERY = {"ravdess": 4, "emodb": 3}


def measure(train: Clips, tested: Tensor) -> dict[str, np.ndarray]:
    """Scores (m,) of test clips (m, E) by training clips; higher for less known ones."""
    names, voices = sorted(set(train.emotions)), sorted(set(train.speakers))
    labels = torch.tensor([names.index(emotion) for emotion in train.emotions])
    score = OutlierScore.fit(train.rows, labels, len(names))
    others = torch.tensor([voices.index(speaker) % GROUPS > 0 for speaker in train.speakers])
    held_out = OutlierScore.fit(train.rows[others], labels[others], len(names)).measure(train.rows[~others])
    set_usual(score, held_out, train.speakers[~others.numpy()].tolist())
    distance, strangeness = score.measure(tested).T
    away = ((tested.float() - score.mean) * score.inverse_deviation)[:, None] - score.means
    nearest = (away @ score.axes).square().sum(dim=-1).amin(dim=-1)
    within, overall = (Scatter.from_embedding(train.rows, one, len(names)) for one in (labels, labels * 0))
    relative = square(tested, within).amin(dim=1) - square(tested, overall)[:, 0]
    found = {
        "distance": distance,
        "relative": relative,
        "nearest": nearest,
        "entropy": strangeness - nearest,
        "score": score(tested),
    }
    return {name: values.numpy() for name, values in found.items()}


def square(rows: Tensor, scatter: Scatter) -> Tensor:
    """Mahalanobis distances, squared, (m, C) of rows (m, E) to each class' mean."""
    away = ((rows - scatter.mean) / scatter.deviation)[:, None] - scatter.means
    floor = AXES_SHRINKAGE * scatter.values.sum() / rows.shape[1]
    gains = 1.0 / ((1.0 - AXES_SHRINKAGE) * scatter.values + floor) - 1.0 / floor
    return away.square().sum(dim=-1) / floor + ((away @ scatter.vectors).square() * gains).sum(dim=-1)


def measure_corpus(name: str, clips: Clips) -> dict[str, dict[str, float]]:
    """AUROC by score and by the emotion that is left out."""
    speakers = sorted(set(clips.speakers))
    out = np.isin(clips.speakers, speakers[:: EVERY[name]])
    areas: dict[str, dict[str, float]] = {}
    for emotion in sorted(set(clips.emotions)):
        odd = clips.emotions == emotion
        for score, values in measure(clips.of(~out & ~odd), clips.of(out).rows).items():
            areas.setdefault(score, {})[emotion] = float(roc_auc_score(odd[out], values))
    return areas


def main() -> None:
    """Prints a line a corpus, normalisation and score."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name in ("emodb", "ravdess", "whisper"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    for name in EVERY:
        clips = read_clips(name, getattr(options, name), options)
        for statistics in ("training", "speaker"):
            rows = clips.rows if statistics == "training" else standardize_domains(clips.rows, clips.speakers.tolist())
            areas = measure_corpus(name, clips._replace(rows=rows))
            for score, found in areas.items():
                each = ", ".join(f"{emotion} {area:.2f}" for emotion, area in found.items())
                print(
                    f"{name}, {statistics} statistics, {score}: {np.mean(list(found.values())):.3f} ({each})",
                    flush=True,
                )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
