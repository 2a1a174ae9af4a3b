"""Which utterances of two parts of a corpus are the same audio.

    corpus --stretches--> [Stretch, ...]      one part's, another's --copies--> [(id, id), ...]

The same are equal samples, whatever file they come from (a FLAC of a WAV, a WAV with another tag), and stretches of one
file that lie over each other by more than half. Samples are known of a corpus that `checks.check_audio` returned, by
its column `digest`; of others the files' bytes are compared, for nothing is decoded here. It doesn't know what the
parts are for.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from datasets import Dataset

from ser_tl.data.checks import file_keys
from ser_tl.data.schema import DIGEST


@dataclass(frozen=True)
class Stretch:
    """Where an utterance's audio lies, and what it is.

    Args:
        id: of the utterance
        file: key of the file's bytes
        start: seconds into the file
        end: seconds into the file; infinite for its end
        samples: digest of the samples; None where the corpus has none
    """

    id: str
    file: str
    start: float
    end: float
    samples: str | None


def stretches(corpus: Dataset) -> list[Stretch]:
    """The stretch of each utterance.

    Args:
        corpus: rows with the columns of `data.schema`
    """
    columns = (corpus[name][:] for name in ("id", "start", "end"))
    digests = corpus[DIGEST][:] if DIGEST in corpus.column_names else [None] * len(corpus)
    return [
        Stretch(name, file, start, inf if end is None else end, digest)
        for file, digest, name, start, end in zip(file_keys(corpus), digests, *columns, strict=True)
    ]


def copies(one: Sequence[Stretch], other: Sequence[Stretch]) -> list[tuple[str, str]]:
    """Pairs of ids, of one part and of the other, that are the same audio; each of the other's at most once."""
    heard = {stretch.samples: stretch.id for stretch in one if stretch.samples is not None}
    files: dict[tuple[str, bool], list[Stretch]] = defaultdict(list)
    for stretch in sorted(one, key=lambda stretch: stretch.start):
        files[stretch.file, stretch.end == inf].append(stretch)  # apart, for these reach everything behind their start
    longest = {key: max(stretch.end - stretch.start for stretch in held) for key, held in files.items()}
    pairs = []
    for stretch in other:
        twin = heard.get(stretch.samples) if stretch.samples is not None else None
        for key in ((stretch.file, False), (stretch.file, True)):
            if twin is None and key in files:
                twin = _over(stretch, files[key], longest[key])
        if twin is not None:
            pairs.append((twin, stretch.id))
    return pairs


def _over(stretch: Stretch, held: Sequence[Stretch], longest: float) -> str | None:
    """Which of one file's stretches, sorted by start, lies over this one by more than half of the shorter of the two.

    A long recording may have thousands: only those that begin near enough to reach this one are looked at.

    Args:
        stretch: of the other part
        held: of one part, sorted by start
        longest: of those, seconds
    """
    first = bisect_left(held, stretch.start - longest, key=lambda near: near.start)
    last = bisect_right(held, stretch.end, key=lambda near: near.start)
    for near in held[first:last]:
        common = min(near.end, stretch.end) - max(near.start, stretch.start)
        # infinite where both go to the file's end: then one of them is all in the other
        if common == inf or common > min(near.end - near.start, stretch.end - stretch.start) / 2:
            return near.id
    return None
