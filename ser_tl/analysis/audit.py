"""What a corpus' parts share that they mustn't, or that a reader of its scores should know.

    corpus, folds --audit_corpus()--> Audit: speakers, equal audio, near-equal audio, sentences, sessions, a row a fold

A speaker or a recording in both parts makes a score worthless. A sentence in both makes it a score on sentences that
were trained on: RAVDESS has two, and no test of it is on another. It trains nothing, and decides nothing: `Split`
refuses the first two.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datasets import Dataset

from ser_tl.analysis.acoustic_fingerprint import Copy, Fingerprint, find_copies, fingerprint
from ser_tl.data.audio import decode
from ser_tl.data.checks import audio_source
from ser_tl.data.duplicates import audio_spans, find_duplicates
from ser_tl.data.folds import Fold
from ser_tl.data.speakers import UNKNOWN
from ser_tl.errors import SplitError, listing


@dataclass(frozen=True)
class FoldAudit:
    """What the training side (train and dev) and the test part of a fold share.

    Args:
        name: of the fold
        train: utterances on the training side
        test: utterances in the test part
        speakers: names in both
        test_speakers: how many are tested
        by_shared: test utterances of speakers in both
        equal: pairs of ids, training and test, with equal samples or bytes
        near: likewise, the same audio by its fingerprint, equal ones included; None where audio wasn't read
        known_sentences: share of test utterances whose sentence is trained on; None where the corpus doesn't say
        sessions: names in both; None where the corpus has none
    """

    name: str
    train: int
    test: int
    speakers: list[str]
    test_speakers: int
    by_shared: int
    equal: list[tuple[str, str]]
    near: list[tuple[str, str]] | None
    known_sentences: float | None
    sessions: list[str] | None

    @property
    def leaks(self) -> bool:
        """Whether a score on it would be worthless."""
        return bool(self.speakers or self.equal or self.near)


@dataclass(frozen=True)
class Audit:
    """What was found in a corpus.

    Args:
        utterances: how many
        speakers: by name, the utterances of each
        unknown: utterances whose speaker isn't known
        sentences: by name, the utterances of each; empty where the corpus doesn't say
        sessions: likewise
        copies: pairs of ids that are the same audio by its fingerprint, with the share of bits that differ; None where
            audio wasn't read
        strangers: those of them whose two clips are of two speakers: a speaker under two names, or a wrong label
        folds: of published folds
    """

    utterances: int
    speakers: Mapping[str, int]
    unknown: int
    sentences: Mapping[str, int]
    sessions: Mapping[str, int]
    copies: Sequence[tuple[str, str, float]] | None
    strangers: Sequence[tuple[str, str]]
    folds: Sequence[FoldAudit]

    @property
    def leaks(self) -> bool:
        """Whether a fold leaks, or one recording stands there as two speakers'."""
        return bool(self.strangers) or any(fold.leaks for fold in self.folds)


def audit_corpus(corpus: Dataset, folds: Sequence[Fold] = (), *, audio: bool = True) -> Audit:
    """Looks a corpus through.

    Args:
        corpus: rows with the columns of `data.schema`
        folds: published ones, each of whose ids has to be in the corpus
        audio: decode every clip and compare fingerprints

    Raises:
        SplitError: folds of another corpus
        AudioError: a clip can't be read
    """
    ids, speakers = corpus["id"][:], corpus["speaker"][:]
    copies = find_copies([_fingerprint(corpus, row) for row in range(len(corpus))]) if audio else None
    return Audit(
        utterances=len(corpus),
        speakers=dict(sorted(Counter(name for name in speakers if name != UNKNOWN).items())),
        unknown=speakers.count(UNKNOWN),
        sentences=_counts(corpus, "sentence"),
        sessions=_counts(corpus, "session"),
        copies=None if copies is None else [(ids[pair.first], ids[pair.second], pair.different) for pair in copies],
        strangers=[(ids[pair.first], ids[pair.second]) for pair in copies or () if _of_two(pair, speakers)],
        folds=[_audit_fold(corpus, fold, copies) for fold in folds],
    )


def _of_two(pair: Copy, speakers: Sequence[str]) -> bool:
    names = {speakers[pair.first], speakers[pair.second]} - {UNKNOWN}
    return len(names) == 2


def _fingerprint(corpus: Dataset, row: int) -> Fingerprint:
    clip = corpus[row]
    return fingerprint(decode(audio_source(clip), clip["start"], clip["end"], silence=True))


def _counts(corpus: Dataset, column: str) -> dict[str, int]:
    if column not in corpus.column_names:
        return {}
    return dict(sorted(Counter(value for value in corpus[column][:] if value is not None).items()))


def _audit_fold(corpus: Dataset, fold: Fold, copies: Sequence[Copy] | None) -> FoldAudit:
    ids = corpus["id"][:]
    strangers = sorted((fold.train | fold.dev | fold.test) - set(ids))
    if strangers:
        raise SplitError(
            f"{fold.name}: {len(strangers)} of its ids aren't in the corpus: these folds are another corpus', or files "
            f"are missing\n{listing(strangers)}"
        )
    train = [row for row, name in enumerate(ids) if name in fold.train or name in fold.dev]
    test = [row for row, name in enumerate(ids) if name in fold.test]
    trained, tested = corpus.select(train), corpus.select(test)
    shared = (set(trained["speaker"][:]) & set(tested["speaker"][:])) - {UNKNOWN}
    near = None
    if copies is not None:
        sides = dict.fromkeys(train, "train") | dict.fromkeys(test, "test")
        near = [
            (ids[first], ids[other])
            for pair in copies
            for first, other in ((pair.first, pair.second), (pair.second, pair.first))
            if (sides.get(first), sides.get(other)) == ("train", "test")
        ]
    return FoldAudit(
        name=fold.name,
        train=len(train),
        test=len(test),
        speakers=sorted(shared),
        test_speakers=len(set(tested["speaker"][:]) - {UNKNOWN}),
        by_shared=sum(name in shared for name in tested["speaker"][:]),
        equal=find_duplicates(audio_spans(trained), audio_spans(tested)),
        near=near,
        known_sentences=_known_sentences(trained, tested),
        sessions=_shared_sessions(trained, tested),
    )


def _known_sentences(trained: Dataset, tested: Dataset) -> float | None:
    if "sentence" not in tested.column_names:
        return None
    trained_sentences, tested_sentences = set(trained["sentence"][:]) - {None}, tested["sentence"][:]
    return sum(sentence in trained_sentences for sentence in tested_sentences) / len(tested_sentences)


def _shared_sessions(trained: Dataset, tested: Dataset) -> list[str] | None:
    if "session" not in tested.column_names:
        return None
    return sorted((set(trained["session"][:]) & set(tested["session"][:])) - {None})
