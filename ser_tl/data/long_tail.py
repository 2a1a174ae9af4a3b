"""A training part whose classes differ in size by a stated rule, to test remedies against imbalance.

    training part, factor --thin_classes()--> the class of rank r keeps factor^r of its utterances

The long-tailed sets of Cui et al. 2019 (section 5.1). Speakers are thinned alike, dev and test aren't touched.
"""

import numpy as np
from datasets import Dataset


def thin_classes(train: Dataset, factor: float, *, seed: int = 0) -> Dataset:
    """The training part, thinned.

    Args:
        train: the training part of a split
        factor: what each class keeps of what the next larger one keeps, more than 0; 1 keeps everything
        seed: chooses utterances; those of a smaller factor are among those of a larger

    Returns:
        Rows in their order; of every class at least one.
    """
    if factor == 1.0:
        return train
    emotions, speakers = np.array(train["emotion"][:]), np.array(train["speaker"][:])
    names, counts = np.unique(emotions, return_counts=True)
    ranked = names[np.argsort(-counts, kind="stable")]
    generator = np.random.default_rng(seed)
    selected: list[int] = []
    for rank, emotion in enumerate(ranked):
        rows = generator.permutation(np.flatnonzero(emotions == emotion))
        turn = np.empty(len(rows), int)  # a clip of each speaker, then a second of each
        for speaker in np.unique(speakers[rows]):
            spoken = speakers[rows] == speaker
            turn[spoken] = np.arange(spoken.sum())
        selected += rows[np.argsort(turn, kind="stable")][: max(1, round(len(rows) * factor**rank))].tolist()
    return train.select(sorted(selected))
