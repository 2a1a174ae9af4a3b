"""Maximum mean discrepancy: the distance between the means of two domains in the space of a kernel.

    embeddings of both --squared distances, bandwidths--> kernel (B + B', B + B') --squared_mmd()--> one value a group

The kernel is the mean of five Gaussians, so that some bandwidth fits whatever the distances are (Long et al.
2015). The estimate here is the unbiased one, which is zero on average between equal distributions and so dips
below zero at times; the biased one would pull two batches together that differ by chance alone.
"""

import torch
from torch import Tensor

from ser_tl.transfer.alignment import ALIGNMENTS, Alignment, Domain

SCALES = (0.125, 0.25, 0.5, 1.0, 2.0)
"""Bandwidths in median squared distances, 2^-3 to 2^1. The last is the exp(-d^2 / (2 median^2)) of Gretton et al."""


def pair_kernel(embedding: Tensor) -> Tensor:
    """The kernel of every pair of different clips, and zero for a clip with itself, which no unbiased sum contains.

    The mean over `SCALES` of exp(-d^2 / (scale * m)), where d is the distance of the pair and m the median of d^2 over
    all pairs (Gretton et al. 2012, section 8). No gradient flows through m: it is a unit, and not to be learned.

    Args:
        embedding: clips of both domains together, so that the bandwidth is the same for all pairs

    Shape:
        (B, E) -> (B, B)
    """
    centred = embedding - embedding.mean(dim=0).detach()  # far from zero, squares would cancel badly
    squares = centred.square().sum(dim=1)
    distances = (squares[:, None] + squares[None] - 2.0 * centred @ centred.T).clamp_min(0.0)
    above = torch.ones_like(distances, dtype=torch.bool).triu(diagonal=1)
    median = distances.detach()[above].median().clamp_min(1e-12)  # zero where most clips are the same
    kernel = torch.stack([(-distances / (scale * median)).exp() for scale in SCALES]).mean(dim=0)
    return kernel.masked_fill(torch.eye(len(kernel), dtype=torch.bool, device=kernel.device), 0.0)


def squared_mmd(kernel: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """The unbiased estimate of the squared discrepancy of each group (Gretton et al. 2012, eq. 3).

    A single clip has no variance: a group with fewer than two on either
    side has 0, and no gradient.

    Args:
        kernel: of every pair, zero on the diagonal; the source's clips first
        source: 1 where a clip of the source is in the group, else 0
        target: likewise

    Shape:
        kernel (B + B', B + B'), source (B, G), target (B', G) -> (G,)
    """
    source_weight, target_weight = source.sum(dim=0), target.sum(dim=0)
    enough = (source_weight >= 2) & (target_weight >= 2)
    of_source = (source * (kernel[: len(source), : len(source)] @ source)).sum(dim=0)
    of_target = (target * (kernel[len(source) :, len(source) :] @ target)).sum(dim=0)
    across = (source * (kernel[: len(source), len(source) :] @ target)).sum(dim=0)
    source_weight, target_weight = source_weight.clamp_min(2), target_weight.clamp_min(2)
    value = (
        of_source / (source_weight * (source_weight - 1))
        + of_target / (target_weight * (target_weight - 1))
        - 2.0 * across / (source_weight * target_weight)
    )
    return value.masked_fill(~enough, 0.0)


@ALIGNMENTS.register("mmd")
class MMD(Alignment):
    """Multi-kernel maximum mean discrepancy between the embeddings (Gretton et al. 2012; Long et al. 2015).

    Shape:
        source of (B, E), target of (B', E) -> a scalar; 0 where either has one clip
    """

    def penalty(self, source: Domain, target: Domain, weight: float) -> Tensor:
        """The weight times the squared discrepancy."""
        kernel = pair_kernel(torch.cat([source.embedding, target.embedding]))
        everyone = kernel.new_ones(len(kernel), 1)
        return weight * squared_mmd(kernel, everyone[: len(source.embedding)], everyone[len(source.embedding) :])[0]
