"""Whether two systems differ on the same clips: McNemar's test, and Holm's correction for many pairs.

    right, right of the other --mcnemar()--> McNemar      p of many tests --holm()--> adjusted p

Only clips that one of the two gets right and the other wrong tell anything; if the systems were equally good, either
would be the right one with probability 1/2 (McNemar 1947, Psychometrika 12). The test takes clips for independent,
which those of one speaker aren't, and says nothing about other speakers: the paired interval of `bootstrap` does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ser_tl.errors import ConfigError


@dataclass(frozen=True)
class McNemar:
    """The test of one pair.

    Args:
        only_first: clips that the first system alone gets right
        only_second: clips that the second alone gets right
        p: two-sided, exact
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> McNemar:
    """The exact test, by the binomial distribution whatever the number of discordant clips.

    Args:
        first: whether the first system is right, a value a clip
        second: likewise for the second, the same clips in the same order

    Raises:
        ConfigError: different numbers of clips
    """
    if len(first) != len(second):
        raise ConfigError(f"{len(first)} and {len(second)} clips: McNemar's test needs the same clips for both systems")
    first_only = sum(first_right and not second_right for first_right, second_right in zip(first, second, strict=True))
    second_only = sum(second_right and not first_right for first_right, second_right in zip(first, second, strict=True))
    return McNemar(first_only, second_only, _two_sided(min(first_only, second_only), first_only + second_only))


def _two_sided(low: int, trials: int) -> float:
    """Twice the probability of at most `low` heads in so many tosses, at most 1."""
    logs = (
        math.lgamma(trials + 1) - math.lgamma(heads + 1) - math.lgamma(trials - heads + 1) - trials * math.log(2)
        for heads in range(low + 1)
    )
    return min(1.0, 2 * math.fsum(math.exp(value) for value in logs))


def holm(values: Sequence[float]) -> list[float]:
    """Adjusted p values: the chance of one false finding among them all stays at the level (Holm 1979).

    Args:
        values: one p a test
    """
    adjusted, reached = [0.0] * len(values), 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        reached = max(reached, min(1.0, (len(values) - rank) * values[index]))
        adjusted[index] = reached
    return adjusted
