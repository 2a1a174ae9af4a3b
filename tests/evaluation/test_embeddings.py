"""Maps of embeddings and the distance of domains."""

import numpy as np
import pytest

from ser_tl.errors import ConfigError
from ser_tl.evaluation import Embeddings
from ser_tl.evaluation.embeddings import project_tsne, squared_mmd


def clouds(apart, count=40, dim=12, seed=0):
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(2 * count, dim))
    rows[count:] += apart
    return rows


@pytest.mark.slow
def test_a_map_keeps_clouds_apart_and_is_the_same_again():
    rows = clouds(6.0)
    points = project_tsne(rows)
    assert points.shape == (80, 2)
    centres = points[:40].mean(axis=0), points[40:].mean(axis=0)
    spread = max(points[:40].std(), points[40:].std())
    assert np.linalg.norm(centres[0] - centres[1]) > 2 * spread
    assert (project_tsne(rows) == points).all()


@pytest.mark.slow
@pytest.mark.parametrize("dim", [1, 3, 80])
def test_few_utterances_and_any_width_work(dim):
    assert np.isfinite(project_tsne(clouds(1.0, count=4, dim=dim))).all()
    with pytest.raises(ConfigError, match="at least 5"):
        project_tsne(np.zeros((4, dim)))


def test_discrepancy_is_about_zero_for_one_distribution_and_grows_with_the_distance():
    same = np.mean([squared_mmd(*np.split(clouds(0.0, seed=seed), 2)) for seed in range(20)])
    assert abs(same) < 0.005
    near, far = (squared_mmd(*np.split(clouds(apart), 2)) for apart in (0.5, 2.0))
    assert same + 0.02 < near < far


def test_discrepancy_does_not_mind_the_scale_and_matches_its_definition():
    source, target = np.split(clouds(1.0, count=3, dim=2), 2)
    assert squared_mmd(1000 * source, 1000 * target) == pytest.approx(squared_mmd(source, target))
    every = np.concatenate([source, target])
    squares = np.array([[((one - other) ** 2).sum() for other in every] for one in every])
    kernel = np.exp(-squares / np.median([squares[i, j] for i in range(6) for j in range(i + 1, 6)]))
    within = [kernel[i, j] for i in range(3) for j in range(3) if i != j]
    beyond = [kernel[i, j] for i in range(3, 6) for j in range(3, 6) if i != j]
    expected = np.mean(within) + np.mean(beyond) - 2 * kernel[:3, 3:].mean()
    assert squared_mmd(source, target) == pytest.approx(expected)


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="2 ids"):
        Embeddings(np.zeros((3, 4)), ["a", "b"], ["x"] * 3, ["s"] * 3)
    with pytest.raises(ConfigError, match="two a domain"):
        squared_mmd(np.zeros((1, 4)), np.zeros((5, 4)))
    with pytest.raises(ConfigError, match="of one width"):
        squared_mmd(np.zeros((5, 3)), np.zeros((5, 4)))
