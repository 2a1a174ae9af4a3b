"""Groups of speakers that are tested or choose the epoch together, with several corpora in mind.

    corpus --draw_by_corpus--> a share of each corpus' speakers     corpus --deal_speakers--> k groups, likewise
    corpus --group_by_corpus--> the speakers of each corpus

A draw from all speakers at once may leave a small corpus out of dev or of a fold. Each corpus is dealt by the same seed
as if it stood alone: a fold tests the same of its speakers with and without others beside it.
"""

from collections import defaultdict

import numpy as np
from datasets import Dataset

from ser_tl.data.combination import emotions_by_corpus
from ser_tl.data.speaker_sampling import draw_speakers
from ser_tl.errors import SplitError, listing


def draw_by_corpus(corpus: Dataset, speakers: list[str], share: float, seed: int, what: str) -> set[str]:
    """A share of the speakers of each corpus; a corpus of one speaker keeps it for training, where others have more.

    Args:
        corpus: rows with the columns of `data.schema`
        speakers: from whom is drawn, sorted
        share: of their number, between 0 and 1; at least one speaker of each corpus
        seed: chooses them
        what: the option that gave the share, for messages

    Raises:
        SplitError: too few would be left over
    """
    groups = [group for group in _speakers_by_corpus(corpus, speakers).values() if len(group) > 1] or [speakers]
    return set().union(*(draw_speakers(corpus, group, share, seed, what, spare=1) for group in groups))


def deal_speakers(corpus: Dataset, groups: int, seed: int) -> list[set[str]]:
    """The speakers in groups of like size, each corpus' dealt over all groups.

    Args:
        corpus: rows with the columns of `data.schema`, of at least as many speakers as groups
        groups: how many
        seed: shuffles the speakers of each corpus
    """
    homes = _speakers_by_corpus(corpus, sorted(set(corpus["speaker"][:])))
    # Small corpora go on where the last one ended, or they would leave the last groups empty.
    in_turn = max(map(len, homes.values())) < groups
    dealt: list[set[str]] = [set() for _ in range(groups)]
    start = 0
    for speakers in homes.values():
        for number, speaker in enumerate(np.random.default_rng(seed).permutation(speakers).tolist(), start):
            dealt[number % groups].add(speaker)
        start += len(speakers) if in_turn else 0
    return dealt


def _speakers_by_corpus(corpus: Dataset, speakers: list[str]) -> dict[str, list[str]]:
    """The sorted speakers of each corpus; a speaker of several belongs to the first of them."""
    homes: dict[str, str] = {}
    for speaker, name in zip(corpus["speaker"][:], corpus["corpus"][:], strict=True):
        homes[speaker] = min(name, homes.get(speaker, name))
    groups: dict[str, list[str]] = defaultdict(list)
    for speaker in speakers:
        groups[homes[speaker]].append(speaker)
    return dict(sorted(groups.items()))


def group_by_corpus(corpus: Dataset) -> dict[str, set[str]]:
    """The speakers of each corpus, which is left out in turn.

    Raises:
        SplitError: there is one corpus, a speaker is in two, or an emotion is in one alone, which no training
            would have for its test
    """
    groups: dict[str, set[str]] = defaultdict(set)
    homes: dict[str, set[str]] = defaultdict(set)
    for name, speaker in zip(corpus["corpus"][:], corpus["speaker"][:], strict=True):
        groups[name].add(speaker)
        homes[speaker].add(name)
    if len(groups) < 2:
        raise SplitError(
            f"protocol loco leaves each corpus out in turn, and there is only {', '.join(groups)}: name two or more "
            f"(`corpus` 'ravdess:ROOT+emodb:ROOT'), or use `protocol` loso or kfold"
        )
    both = sorted(f"{speaker}: {', '.join(sorted(names))}" for speaker, names in homes.items() if len(names) > 1)
    if both:
        raise SplitError(
            f"protocol loco: {len(both)} speakers are in two corpora, and would be in training and test: give "
            f"different people different names, or use `protocol` kfold\n{listing(both)}"
        )
    present = emotions_by_corpus(corpus)
    alone = {
        emotion: name
        for name, emotions in present.items()
        for emotion in sorted(emotions)
        if sum(emotion in others for others in present.values()) == 1
    }
    if alone:
        named = ", ".join(f"{emotion} ({name})" for emotion, name in sorted(alone.items()))
        raise SplitError(
            f"protocol loco: {len(alone)} emotions are in one corpus alone, so that without it no training has them: "
            f"{named}. Keep the shared emotions alone (labels.classes shared), or leave these out "
            f"(emotions.drop '[{', '.join(sorted(alone))}]')"
        )
    return dict(sorted(groups.items()))
