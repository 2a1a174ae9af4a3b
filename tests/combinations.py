"""Parameters of a test that holds for every combination: a few by default, the others where `-m exhaustive` asks."""

from collections.abc import Collection, Iterable, Sequence
from itertools import product
from typing import Any

import pytest


def each_value_once(*axes: Sequence[Any]) -> list[Any]:
    """Every combination of the axes' values; by default as many as it takes that each value is in one of them.

    The default ones go through all axes side by side: three names and two numbers make (a, 1), (b, 2) and (c, 1).
    """
    default = {
        tuple(turn % len(axis) for axis in axes) for turn in range(max(len(axis) for axis in axes))
    }  # positions, as not every value can be hashed
    return [
        pytest.param(
            *(axis[position] for axis, position in zip(axes, positions, strict=True)),
            marks=[] if positions in default else [pytest.mark.exhaustive],
        )
        for positions in product(*(range(len(axis)) for axis in axes))
    ]


def with_default(names: Iterable[str], default: Collection[str]) -> list[Any]:
    """Every name; those that aren't among the default ones are exhaustive."""
    return [pytest.param(name, marks=[] if name in default else [pytest.mark.exhaustive]) for name in names]
