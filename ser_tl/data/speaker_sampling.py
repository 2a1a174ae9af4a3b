"""Seeded draws of a share: whole speakers, or, where speakers are shared anyway, utterances.

Both keep every emotion on either side where that can be had, and the same seed draws the same share whatever the order
of the rows. What the share is for (dev, test) is for `data.splits` to know.
"""

import numpy as np
from datasets import Dataset

from ser_tl.errors import SplitError


def draw_speakers(corpus: Dataset, speakers: list[str], share: float, seed: int, what: str, *, spare: int) -> set[str]:
    """A share of the speakers, such that they and the others each have every emotion where that can be had.

    Small corpora have speakers who lack an emotion: of 200 seeded draws, the first whose both sides are complete.

    Args:
        corpus: rows with the columns of `data.schema`
        speakers: of whom is drawn, sorted
        share: of their number, between 0 and 1; at least one speaker
        seed: chooses them
        what: the option that gave the share, for messages
        spare: how many speakers have to be left over

    Raises:
        SplitError: too few would be left over
    """
    size = max(1, round(share * len(speakers)))
    if len(speakers) - size < spare:
        raise SplitError(f"{what} takes {size} of {len(speakers)} speakers and leaves too few to train on: lower it")
    emotions: dict[str, set[str]] = {speaker: set() for speaker in speakers}
    for speaker, emotion in zip(corpus["speaker"][:], corpus["emotion"][:], strict=True):
        if speaker in emotions:
            emotions[speaker].add(emotion)
    everything = set().union(*emotions.values())
    generator = np.random.default_rng(seed)
    draws = [generator.permutation(speakers).tolist() for _ in range(200)]

    def missing(draw: list[str]) -> int:
        drawn, left = (set().union(*(emotions[speaker] for speaker in side)) for side in (draw[:size], draw[size:]))
        return len(everything - drawn) + 100 * len(everything - left)  # the side that is trained on comes first

    return set(min(draws, key=missing)[:size])


def draw_utterances(corpus: Dataset, share: float, seed: int) -> set[str]:
    """The ids of a share of each emotion's utterances, speakers mixed: at least one, and never the last of an emotion.

    Args:
        corpus: rows with the columns of `data.schema`
        share: of the utterances, between 0 and 1
        seed: chooses them
    """
    groups: dict[str, list[str]] = {}
    for emotion, name in sorted(zip(corpus["emotion"][:], corpus["id"][:], strict=True)):
        groups.setdefault(emotion, []).append(name)
    generator = np.random.default_rng(seed)
    sizes = {emotion: min(max(1, round(share * len(names))), len(names) - 1) for emotion, names in groups.items()}
    return {name for emotion, names in groups.items() for name in generator.permutation(names)[: sizes[emotion]]}
