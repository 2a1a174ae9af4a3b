"""CORAL against NumPy's covariances and a case by hand."""

import numpy as np
import pytest
import torch

from ser_tl.transfer import ALIGNMENTS, Domain
from tests.transfer.domains import CLASSES, pair


def coral(source, target, weight=1.0):
    return ALIGNMENTS["coral"](source.embedding.shape[1], CLASSES)(source, target, weight)


def test_by_hand():
    logits = torch.zeros(3, CLASSES)
    source = Domain(torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]]), logits, None)  # covariance [[1, 2], [2, 4]]
    target = Domain(torch.tensor([[5.0, 9.0], [6.0, 9.0], [7.0, 9.0]]), logits, None)  # [[1, 0], [0, 0]]
    assert coral(source, target).item() == pytest.approx((4 + 4 + 16) / 16)
    assert coral(source, target, 0.5).item() == pytest.approx((4 + 4 + 16) / 32)


def test_it_is_the_squared_distance_of_the_covariances():
    source, target = pair(12, 9, dim=7)
    ours, theirs = (np.cov(one.embedding.detach().numpy(), rowvar=False) for one in (source, target))
    assert coral(source, target).item() == pytest.approx(np.sum((ours - theirs) ** 2) / (4 * 7**2), rel=1e-5)


def test_means_do_not_matter_and_scale_does():
    source, target = pair(40, 30)
    shifted = target._replace(embedding=target.embedding + 50.0)
    spread = target._replace(embedding=3.0 * target.embedding)
    assert coral(source, shifted).item() == pytest.approx(coral(source, target).item(), rel=1e-3)
    assert coral(source, spread) > 20 * coral(source, target)


@pytest.mark.parametrize(("ours", "theirs"), [(1, 9), (9, 1), (1, 1)])
def test_one_clip_has_no_covariance(ours, theirs):
    assert coral(*pair(ours, theirs)) == 0
