"""McNemar's test against scipy's binomial, and Holm's correction by hand."""

import pytest
from scipy.stats import binomtest

from ser_tl.comparison.significance import holm, mcnemar
from ser_tl.errors import ConfigError


def hits(both, first, second, neither):
    """Which clips the two get right."""
    one = [True] * both + [True] * first + [False] * (second + neither)
    other = [True] * both + [False] * first + [True] * second + [False] * neither
    return one, other


@pytest.mark.parametrize(("first", "second"), [(1, 0), (5, 1), (9, 3), (30, 60), (400, 520), (3000, 2900)])
def test_p_is_the_exact_binomial(first, second):
    found = mcnemar(*hits(40, first, second, 7))
    assert (found.only_first, found.only_second) == (first, second)
    assert found.p == pytest.approx(binomtest(first, first + second).pvalue, rel=1e-9)


def test_what_both_get_right_or_wrong_tells_nothing():
    assert mcnemar(*hits(1000, 4, 9, 0)).p == mcnemar(*hits(0, 4, 9, 1000)).p
    assert mcnemar(*hits(10, 0, 0, 10)).p == 1.0
    assert mcnemar(*hits(0, 7, 7, 0)).p == 1.0


def test_different_clips_are_refused():
    with pytest.raises(ConfigError, match="3 and 2 clips"):
        mcnemar([True] * 3, [True] * 2)


def test_holm_by_hand_keeps_the_order_of_the_tests():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
