"""Correlation alignment: the channels of both domains vary, and vary together, alike.

    embedding (B, E) --covariance--> (E, E) of each domain --squared difference--> a scalar

Means may differ: standardising each domain is the cheaper way to make them equal.
"""

from torch import Tensor

from ser_tl.transfer.alignment import ALIGNMENTS, Alignment, Domain


@ALIGNMENTS.register("coral")
class CORAL(Alignment):
    """Squared distance of the covariances, divided by 4 E^2 (Sun and Saenko 2016, eq. 1 to 3).

    The division makes the penalty small where channels are many and uncorrelated: weights that suit the other
    alignments are weak here.

    Shape:
        source of (B, E), target of (B', E) -> a scalar; 0 where either has one clip, which has no covariance
    """

    def penalty(self, source: Domain, target: Domain, weight: float) -> Tensor:
        """The weight times the distance."""
        if min(len(source.embedding), len(target.embedding)) < 2:
            return 0.0 * (source.embedding.sum() + target.embedding.sum())  # a zero that backward() accepts
        difference = covariance(source.embedding) - covariance(target.embedding)
        return weight * difference.square().sum() / (4 * source.embedding.shape[1] ** 2)


def covariance(embedding: Tensor) -> Tensor:
    """Unbiased covariance of the channels, (B, E) -> (E, E)."""
    centred = embedding - embedding.mean(dim=0)
    return centred.T @ centred / (len(embedding) - 1)
