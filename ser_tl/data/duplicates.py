"""Which utterances of two parts of a corpus are the same audio.

    corpus --audio_spans--> [AudioSpan, ...]      spans of two parts --find_duplicates--> [(id, id), ...]

Duplicates are equal samples, whatever file they come from (a FLAC of a WAV, a WAV with another tag), and spans of one
file that overlap by more than half. Samples are compared of a corpus that `checks.check_audio` returned, by its column
`digest`; of others the files' bytes are compared, for nothing is decoded here.
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
class AudioSpan:
    """Where an utterance's audio lies, and what it is.

    Args:
        id: of the utterance
        file: key of the file's bytes
        start: seconds into the file
        end: seconds into the file; infinite for its end
        samples: key of the samples; None where they haven't been decoded
    """

    id: str
    file: str
    start: float
    end: float
    samples: str | None


def audio_spans(corpus: Dataset) -> list[AudioSpan]:
    """The span of each utterance.

    Args:
        corpus: rows with the columns of `data.schema`
    """
    columns = (corpus[name][:] for name in ("id", "start", "end"))
    digests = corpus[DIGEST][:] if DIGEST in corpus.column_names else [None] * len(corpus)
    return [
        AudioSpan(name, file, start, inf if end is None else end, digest)
        for file, digest, name, start, end in zip(file_keys(corpus), digests, *columns, strict=True)
    ]


def find_duplicates(first: Sequence[AudioSpan], other: Sequence[AudioSpan]) -> list[tuple[str, str]]:
    """Pairs of ids, of the first part and of the other, that are the same audio; each of the other's at most once."""
    ids_by_samples = {span.samples: span.id for span in first if span.samples is not None}
    files: dict[tuple[str, bool], list[AudioSpan]] = defaultdict(list)
    for span in sorted(first, key=lambda span: span.start):
        files[span.file, span.end == inf].append(span)  # apart, for these reach everything behind their start
    longest = {key: max(span.end - span.start for span in spans) for key, spans in files.items()}
    pairs = []
    for span in other:
        twin = ids_by_samples.get(span.samples) if span.samples is not None else None
        for key in ((span.file, False), (span.file, True)):
            if twin is None and key in files:
                twin = _find_overlapping(span, files[key], longest[key])
        if twin is not None:
            pairs.append((twin, span.id))
    return pairs


def _find_overlapping(span: AudioSpan, others: Sequence[AudioSpan], longest: float) -> str | None:
    """The id of the span of the same file that overlaps this one by more than half of the shorter of the two.

    A long recording may have thousands of spans: only those that begin near enough to overlap are looked at.

    Args:
        span: of the other part
        others: of one part, sorted by start
        longest: of those, seconds
    """
    first = bisect_left(others, span.start - longest, key=lambda near: near.start)
    last = bisect_right(others, span.end, key=lambda near: near.start)
    for near in others[first:last]:
        common = min(near.end, span.end) - max(near.start, span.start)
        # infinite where both go to the file's end: then one of them is all in the other
        if common == inf or common > min(near.end - near.start, span.end - span.start) / 2:
            return near.id
    return None
