"""Corpora of different sizes in one training, made to count alike within each class.

    emotions, corpora --weigh_corpora--> (n,) weights     --share_classes--> groups, and the clips of each in an epoch

Within a class, each corpus that has it has the same share, and the class as a whole keeps its size: no class is
recognised by the corpus that most of its clips come from, and what is done about classes stays what it is. A class that
one corpus alone has can't be helped.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np

CorpusBalance = Literal["none", "weights", "sampling"]


def weigh_corpora(classes: Sequence[Hashable], corpora: Sequence[str]) -> np.ndarray:
    """Weights (n,) of utterances, float32, with mean 1 over each class.

    Args:
        classes: of each utterance
        corpora: likewise
    """
    cells = Counter(zip(classes, corpora, strict=True))
    sizes, numbers = Counter(classes), Counter(name for name, _ in cells)
    return np.array(
        [sizes[name] / (numbers[name] * cells[name, home]) for name, home in zip(classes, corpora, strict=True)],
        dtype=np.float32,
    )


def share_classes(
    classes: Sequence[int], corpora: Sequence[str], sizes: Sequence[int]
) -> tuple[list[int], dict[int, int]]:
    """The class and corpus of each clip as one group, and how many of each group's clips an epoch has.

    Args:
        classes: of each clip
        corpora: likewise
        sizes: of each class, how many of its clips an epoch has; corpora share them evenly, rounded up

    Returns:
        The group of each clip, numbered from 0, and the size of each group.
    """
    cells = {cell: number for number, cell in enumerate(sorted(set(zip(classes, corpora, strict=True))))}
    numbers = Counter(name for name, _ in cells)
    groups = [cells[cell] for cell in zip(classes, corpora, strict=True)]
    return groups, {number: -(-sizes[name] // numbers[name]) for (name, _), number in cells.items()}
