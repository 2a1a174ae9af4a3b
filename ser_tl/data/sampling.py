"""The clips of an epoch with balanced classes: oversampling and undersampling.

    class of each clip --draw_balanced(size, seed, epoch)--> clip indices, every class `size` times

Each class has its clips in a seeded order that is repeated; an epoch takes the next `size`. So no
clip comes a third time before all have come twice, whether `size` is the largest class' (oversampling: in an epoch a
clip comes either so many times or once more) or the smallest's (undersampling: other clips each epoch, until all were
used). It follows from its arguments alone: every process, and a resumed run, draws the same.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

Sampling = Literal["none", "over", "under"]


def class_size(counts: Sequence[int], sampling: Sampling) -> int:
    """How many clips of each class an epoch has: the most, or the fewest, that a class has."""
    return max(counts) if sampling == "over" else min(counts)


def draw_balanced(classes: Sequence[int], sampling: Sampling, seed: int, epoch: int) -> list[int]:
    """The clips of an epoch, class by class; what is in which batch is for `plan_batches`.

    Args:
        classes: of each clip
        sampling: `over` draws each class as often as the largest, `under` as often as the smallest; `none` takes every
            clip once
        seed: chooses the order of each class' clips
        epoch: which of them are next, from 0
    """
    if sampling == "none":
        return list(range(len(classes)))
    counts = Counter(classes)
    size = class_size(list(counts.values()), sampling)
    return draw_groups(classes, dict.fromkeys(counts, size), seed, epoch)


def draw_groups(groups: Sequence[int], sizes: Mapping[int, int], seed: int, epoch: int) -> list[int]:
    """The clips of an epoch, group by group.

    Args:
        groups: of each clip, a number from 0
        sizes: of each group, how many of its clips an epoch has
        seed: chooses the order of each group's clips
        epoch: which of them are next, from 0
    """
    numbers = np.asarray(groups)
    drawn: list[int] = []
    for number in np.unique(numbers).tolist():
        size, members = sizes[number], np.flatnonzero(numbers == number)
        order = np.random.default_rng((seed, number)).permutation(members)
        drawn += order[(epoch * size + np.arange(size)) % len(order)].tolist()
    return drawn
