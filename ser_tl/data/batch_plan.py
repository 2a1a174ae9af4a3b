"""Batches of clips of similar length, and means over windows: numbers alone, no audio and no torch.

    seconds of all clips --plan_batches()--> BatchPlan rows of windows --average_windows()--> rows of utterances

Clips of like length share a batch, and a batch has a budget in seconds of audio rather than a number of clips: memory
stays level and little is spent on padding.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

MOST_PADDING = 0.1
"""Share of a batch that may be padding in evaluation."""

BatchPlan = list[list[list[int]]]
"""Clip indices by step, process and position in the batch. A process without work in a last step has an empty list."""


def plan_batches(
    seconds: Sequence[float], budget: float, *, shuffle: tuple[int, ...] | None = None, processes: int = 1
) -> BatchPlan:
    """Which clips go into which batch, of which process.

    Args:
        seconds: the length of each clip
        budget: the most seconds of audio in a batch, padding counted; a longer clip has a batch of its own. Where all
            clips are alone and processes would be left without one, the shortest are paired beyond the budget
        shuffle: what the order is drawn from, such as (seed, epoch), for training; None keeps one order for evaluation,
            where a batch is rather small than more than a tenth padding. In training each is a step that counts as
            much as any other, and clips that are alone with their length stay with the next
        processes: the number of processes that the batches are dealt out to

    Returns:
        Steps of one batch a process. In training every process has a batch in every step (batches are halved until the
        count is right: no clip is dropped or seen twice); only when there are fewer clips than processes, and in
        evaluation's last step, batches may be empty.
    """
    lengths = np.asarray(seconds)
    generator = np.random.default_rng(shuffle)
    # Lengths within a tenth of each other count as equal, so that a new epoch makes new batches.
    keys = np.log(np.maximum(lengths, 1e-3)) + (generator.uniform(0.0, 0.1, len(lengths)) if shuffle else 0.0)
    batches: list[list[int]] = [[]]
    longest, filled = 0.0, 0.0
    for clip in np.argsort(-keys, kind="stable").tolist():
        longest, filled = max(longest, lengths[clip]), filled + lengths[clip]
        padded = longest * (len(batches[-1]) + 1)
        if batches[-1] and (padded > budget or (not shuffle and filled < (1.0 - MOST_PADDING) * padded)):
            batches.append([])
            longest = filled = lengths[clip]
        batches[-1].append(clip)
    if shuffle:
        while len(batches) % processes and any(len(batch) > 1 for batch in batches):
            largest = max(range(len(batches)), key=lambda number: len(batches[number]))
            split_batch = batches.pop(largest)
            batches += [split_batch[::2], split_batch[1::2]]
        spare = len(batches) % processes
        if spare and len(batches) > processes:  # single clips all of them, and one process would run dry
            singles = sorted((clip for batch in batches for clip in batch), key=lambda clip: -lengths[clip])
            alone, paired = singles[: -2 * spare], singles[-2 * spare :]
            batches = [[clip] for clip in alone] + [paired[index : index + 2] for index in range(0, 2 * spare, 2)]
        batches = [batches[number] for number in generator.permutation(len(batches))]
    batches += [[]] * (-len(batches) % processes)
    return [batches[step : step + processes] for step in range(0, len(batches), processes)]


def padding_share(seconds: Sequence[float], plan: BatchPlan) -> float:
    """The share of padding among all samples of a plan's batches."""
    batches = [[seconds[clip] for clip in batch] for step in plan for batch in step if batch]
    padded = sum(max(batch) * len(batch) for batch in batches)
    return 1.0 - sum(map(sum, batches)) / padded


def join_windows(ids: Sequence[str], probabilities: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Windows joined: the mean of the probabilities (windows, C) of each id, in the order of first appearance."""
    order = sorted(range(len(ids)), key=ids.__getitem__)
    first = {name: number for number, name in reversed(list(enumerate(ids)))}
    joined = {name: probabilities[list(rows)].mean(axis=0) for name, rows in groupby(order, key=ids.__getitem__)}
    names = sorted(joined, key=first.__getitem__)
    return names, np.stack([joined[name] for name in names])


def average_windows(ids: Sequence[str], values: np.ndarray, order: Sequence[str]) -> np.ndarray:
    """The mean of each utterance's windows, in a given order.

    Args:
        ids: of the utterance that each window is a part of, W of them
        values: of each window, (W, ...)
        order: ids of the utterances, each of which has a window

    Returns:
        (len(order), ...)
    """
    names, means = join_windows(ids, values)
    index = {name: row for row, name in enumerate(names)}
    return means[[index[name] for name in order]]
