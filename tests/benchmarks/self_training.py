"""Self-training over all ordered pairs of three corpora: UAR before and after, and what the guard refuses.

    python -m tests.benchmarks.self_training FOLDER --emodb DIR --ravdess DIR --emotale DIR --whisper DIR

The discriminant of a source on mean and deviation of frozen Whisper tiny.en, layer 2, of the emotions that both corpora
have, each corpus standardised by speaker or as a whole; then the rounds of `train.refit self-training` on the target.
Features are kept in FOLDER, which `tests.benchmarks.adaptation` can share. docs/results.md has the table.
"""

from itertools import permutations

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from ser_tl.modules.agreement import measure_kappa
from ser_tl.modules.discriminant import fit_discriminant
from ser_tl.training.parts.self_training import LEAST_AGREEMENT, continue_on_target
from tests.benchmarks.adaptation import CORPORA, read_pooled, uar

LAYER = 2


def main() -> None:
    """Prints a line a pair and kind of statistics, and what they come to."""
    corpus, pooled = read_pooled(__doc__)
    rows = pooled[:, LAYER].reshape(len(corpus), -1)
    for kind in ("speaker", "corpus"):
        lines = np.array([run_pair(corpus, rows, *ends, kind) for ends in permutations(CORPORA, 2)])
        gain, refused = lines[:, 1] - lines[:, 0], lines[:, 2] < LEAST_AGREEMENT
        guarded = np.where(refused, 0.0, gain)
        print(
            f"statistics of the {kind}: mean gain {gain.mean():.1f}, worst {gain.min():.1f}; guarded "
            f"{guarded.mean():.1f}, worst {guarded.min():.1f}, {refused.sum()} of {len(lines)} refused",
            flush=True,
        )


def run_pair(corpus: Dataset, rows: np.ndarray, source: str, target: str, kind: str) -> tuple[float, float, float]:
    """UAR on the target before and after the rounds, and the answers that they keep."""
    homes, emotions, speakers = (np.array(corpus[column][:]) for column in ("corpus", "emotion", "speaker"))
    labels = sorted(set(emotions[homes == source]) & set(emotions[homes == target]))
    inside, outside = ((homes == name) & np.isin(emotions, labels) for name in (source, target))
    truth, tested = (np.array([labels.index(name) for name in emotions[clips]]) for clips in (inside, outside))
    groups = speakers if kind == "speaker" else homes
    trained, moved = (standardise(rows[clips], groups[clips]) for clips in (inside, outside))
    plain = fit_discriminant(trained, torch.from_numpy(truth), speakers[inside].tolist(), len(labels))
    adapted = continue_on_target(plain, trained, torch.from_numpy(truth), moved, len(labels))
    with torch.no_grad():
        before, after = (fit.discriminant(moved.float()).argmax(dim=1) for fit in (plain, adapted))
    agreement = measure_kappa(before, after, len(labels))
    scores = uar(before.numpy(), tested), uar(after.numpy(), tested)
    print(
        f"{source} -> {target}, {kind}: {scores[0]:.1f} before, {scores[1]:.1f} after; answers kept {agreement:.2f} "
        f"above chance{', refused' if agreement < LEAST_AGREEMENT else ''}",
        flush=True,
    )
    return *scores, agreement


def standardise(rows: np.ndarray, groups: np.ndarray) -> Tensor:
    """Rows (n, E) with each group's mean 0 and deviation 1."""
    scaled = np.empty(rows.shape)
    for name in np.unique(groups):
        own = rows[groups == name]
        scaled[groups == name] = (own - own.mean(axis=0)) / (own.std(axis=0) + 1e-3)
    return torch.from_numpy(scaled)


if __name__ == "__main__":
    main()
