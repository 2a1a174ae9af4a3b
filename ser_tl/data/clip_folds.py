"""Folds over clips, for corpora whose speakers are unknown.

    corpus --deal_clips--> k sets of ids, each the test part once        corpus --draw_clips--> ids of a share

Each emotion is dealt evenly. Clips of one file stay together, since they share voice, room and day. The same seed deals
the same folds whatever the order of the rows. Scores on such folds aren't speaker-independent: reports have to say so.
"""

from collections import defaultdict

import numpy as np
from datasets import Dataset

from ser_tl.data.checks import file_keys
from ser_tl.errors import SplitError


def deal_clips(corpus: Dataset, k: int, seed: int) -> list[set[str]]:
    """The ids of k folds of about the same size, each with about the same share of each emotion.

    Args:
        corpus: rows with the columns of `data.schema`
        k: number of folds, 2 or more
        seed: deals the files

    Raises:
        SplitError: fewer files than folds
    """
    files = _files(corpus)
    if sum(map(len, files.values())) < k:
        raise SplitError(
            f"{k} folds over clips need at least {k} files, the corpus has {sum(map(len, files.values()))}: lower "
            f"split.k or add recordings"
        )
    generator = np.random.default_rng(seed)
    order = [files[emotion][index] for emotion in sorted(files) for index in generator.permutation(len(files[emotion]))]
    return [{name for ids in order[fold::k] for name in ids} for fold in range(k)]


def draw_clips(corpus: Dataset, share: float, seed: int) -> set[str]:
    """The ids of a share of each emotion's files: at least one file in all, and never an emotion's last.

    Args:
        corpus: rows with the columns of `data.schema`
        share: of the files, between 0 and 1
        seed: chooses them

    Raises:
        SplitError: no emotion has two files
    """
    generator = np.random.default_rng(seed)
    drawn: list[list[str]] = []
    for _, files in sorted(_files(corpus).items()):
        size = min(max(1, round(share * len(files))), len(files) - 1)
        drawn += [files[index] for index in generator.permutation(len(files))[:size]]
    if not drawn:
        raise SplitError("no emotion has two recordings, one to train on and one to choose the epoch: add recordings")
    return {name for ids in drawn for name in ids}


def _files(corpus: Dataset) -> dict[str, list[list[str]]]:
    """The ids in each file, files under the emotion that most of their clips have; the order of rows doesn't matter."""
    rows = sorted(zip(corpus["id"][:], corpus["emotion"][:], file_keys(corpus), strict=True))
    by_file: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name, emotion, file in rows:
        by_file[file].append((name, emotion))
    files: dict[str, list[list[str]]] = defaultdict(list)
    for clips in by_file.values():
        emotions = [emotion for _, emotion in clips]
        files[max(sorted(set(emotions)), key=emotions.count)].append([name for name, _ in clips])
    return files
