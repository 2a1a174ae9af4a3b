"""How far the annotators of a corpus agree.

corpus with votes --measure_agreement--> AnnotatorAgreement: Krippendorff's alpha, unanimous and tied shares
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from datasets import Dataset

from ser_tl.data.votes import most_voted


class AnnotatorAgreement(NamedTuple):
    """How far annotators agree.

    Attributes:
        utterances: that have two votes or more
        votes: their mean number for each of these
        alpha: Krippendorff's, 1 for agreement throughout and 0 for what chance gives; None where only one emotion was
            ever voted for, which leaves nothing to agree on
        unanimous: share of these on which all votes are the same
        tied: share on which no emotion has the most votes alone
        corpus_label: share on which the corpus' own emotion has the most votes alone
    """

    utterances: int
    votes: float
    alpha: float | None
    unanimous: float
    tied: float
    corpus_label: float


def measure_agreement(corpus: Dataset) -> AnnotatorAgreement | None:
    """How far the annotators of a corpus agree; None where no utterance has two votes.

    Krippendorff's alpha for categories (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"): 1 minus the
    disagreement of pairs of votes within utterances over that of pairs of all votes. Unlike Fleiss' kappa it takes
    utterances with different numbers of votes; a single vote has nothing to agree with and isn't counted.

    Args:
        corpus: rows with the columns of `data.schema`
    """
    if "votes" not in corpus.column_names:
        return None
    pairs = [
        (emotion, votes)
        for emotion, votes in zip(corpus["emotion"][:], corpus["votes"][:], strict=True)
        if len(votes or ()) > 1
    ]
    if not pairs:
        return None
    first = [most_voted(votes) for _, votes in pairs]
    return AnnotatorAgreement(
        utterances=len(pairs),
        votes=sum(len(votes) for _, votes in pairs) / len(pairs),
        alpha=krippendorff_alpha([votes for _, votes in pairs]),
        unanimous=sum(len(set(votes)) == 1 for _, votes in pairs) / len(pairs),
        tied=sum(len(most) > 1 for most in first) / len(pairs),
        corpus_label=sum(most == [emotion] for most, (emotion, _) in zip(first, pairs, strict=True)) / len(pairs),
    )


def krippendorff_alpha(units: Sequence[Sequence[str]]) -> float | None:
    """Krippendorff's alpha for categories.

    Args:
        units: the votes on each utterance, as many as there are; one alone isn't counted

    Returns:
        1 at most; None where all votes are the same, or there are no two on one utterance.
    """
    paired = [votes for votes in units if len(votes) > 1]
    totals = Counter(vote for votes in paired for vote in votes)
    everything = sum(totals.values())
    expected = everything**2 - sum(count**2 for count in totals.values())
    if not expected:
        return None
    observed = sum(
        (len(votes) ** 2 - sum(count**2 for count in Counter(votes).values())) / (len(votes) - 1) for votes in paired
    )
    return 1.0 - (everything - 1) * observed / expected
