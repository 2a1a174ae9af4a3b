"""Which targets an adaptation refuses, and whether that rule holds for a corpus that it wasn't made with.

Parts of each pair's target, some fit for an adaptation and some not, by `tests.benchmarks.adaptation`, which prints
these tables below its own.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from ser_tl.inference.adaptation import FEWEST_CLIPS, combine_variety, expect_agreement, find_obstacle
from ser_tl.modules.adaptation import AdaptedClassifier

ONE = "of one emotion"
WHOLE, HALF = "all of it", "half of its speakers"
FIT = (WHOLE, HALF, "shares drawn at random", "of one speaker", "of 32 clips", "of 64 clips")
"""Targets with the emotions mixed, which are to be adapted to."""

ROUNDS, RIDGE = 60, 0.002  # of the logistic regression


class Part(NamedTuple):
    """A part of a target, and what adapting to it does.

    Attributes:
        ends: the pair of corpora
        kind: how it was chosen
        clips: how many
        before: UAR on it, in percent
        after: likewise, adapted to it
        adapted: the classifier
    """

    ends: tuple[str, str]
    kind: str
    clips: int
    before: float
    after: float
    adapted: AdaptedClassifier

    @property
    def refused(self) -> bool:
        """Whether `ser-tl adapt` would."""
        return self.clips < FEWEST_CLIPS or find_obstacle(self.adapted) is not None


def choose_parts(truth: np.ndarray, speakers: np.ndarray, draw: np.random.Generator) -> dict[str, list[np.ndarray]]:
    """The clips of each part, by kind."""
    clips, classes = np.arange(len(truth)), int(truth.max()) + 1
    of = [clips[truth == name] for name in range(classes)]
    names = sorted(set(speakers))
    half = np.isin(speakers, names[::2])
    parts = {
        WHOLE: [clips],
        HALF: [clips[half], clips[~half]],
        ONE: of,
        "of two emotions": [np.concatenate([of[name], of[(name + 1) % classes]]) for name in range(classes)],
        "one emotion nine in ten": [
            np.concatenate([own, draw.choice(clips[truth != name], len(own) // 9)]) for name, own in enumerate(of)
        ],
        "of one speaker": [clips[speakers == name] for name in names[:4]],
    }
    parts["shares drawn at random"] = []
    for _ in range(4):
        shares = draw.dirichlet(np.ones(classes))
        taken = [max(2, int(share / shares.max() * len(own))) for share, own in zip(shares, of, strict=True)]
        parts["shares drawn at random"].append(
            np.concatenate([draw.permutation(own)[:count] for own, count in zip(of, taken, strict=True)])
        )
    for size in (16, FEWEST_CLIPS, 64):
        parts[f"of {size} clips"] = [draw.choice(clips, size, replace=False) for _ in range(4)]
    return parts


def print_kinds(parts: list[Part]) -> None:
    """A line a kind of target: what adaptation does to it, and how many are refused."""
    for kind in dict.fromkeys(part.kind for part in parts):
        chosen = [part for part in parts if part.kind == kind]
        gain = np.array([part.after - part.before for part in chosen if not part.refused])
        before, after = (np.mean([getattr(part, name) for part in chosen]) for name in ("before", "after"))
        variety = [combine_variety(part.adapted) for part in chosen]
        print(
            f"{kind}: {len(chosen)} targets, before {before:.1f}, after {after:.1f}; refused "
            f"{sum(part.refused for part in chosen)}; of those that aren't, gain "
            f"{gain.mean() if len(gain) else 0:.1f}, {(gain < -1).sum()} lose more than a point; variety "
            f"{min(variety):.3f} to {max(variety):.3f}, agreement "
            f"{min(part.adapted.agreement for part in chosen):.2f} to "
            f"{max(part.adapted.agreement for part in chosen):.2f}",
            flush=True,
        )


def print_held_out(parts: list[Part]) -> None:
    """How the rule does on corpora that had no part in it: a regression of the others' parts, and the agreement."""
    chosen = [part for part in parts if part.kind == ONE or part.kind in FIT]
    rows = np.log([part.adapted.variety for part in chosen])
    one = np.array([part.kind == ONE for part in chosen])
    disagree = np.array([part.adapted.agreement < expect_agreement(len(part.adapted.bias)) for part in chosen])
    groups: dict[str, Callable[[Part], Any]] = {
        "target": lambda part: part.ends[1],
        "source": lambda part: part.ends[0],
        "pair": lambda part: part.ends,
    }
    weight = fit_logistic(rows, one)
    powers = ", ".join(f"{power:.2f}" for power in weight[:-1] / weight[0])
    print(f"of all parts: powers {powers}, threshold {np.exp(-weight[-1] / weight[0]):.4f}")
    for name, group in groups.items():
        refused = np.zeros(len(chosen), dtype=bool)
        for out in {group(part) for part in chosen}:
            inside = np.array([group(part) != out for part in chosen])
            weight = fit_logistic(rows[inside], one[inside])
            refused[~inside] = disagree[~inside] | (rows[~inside] @ weight[:-1] + weight[-1] > 0)
        counts = {
            kind: [no for no, part in zip(refused, chosen, strict=True) if part.kind == kind] for kind in (ONE, *FIT)
        }
        print(
            f"each {name} held out in turn, refused: "
            + ", ".join(f"{kind} {sum(found)} of {len(found)}" for kind, found in counts.items()),
            flush=True,
        )


def fit_logistic(rows: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Weights and bias (k + 1,) of a logistic regression of rows (n, k); both sides count alike."""
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    scaled = np.c_[(rows - mean) / deviation, np.ones(len(rows))]
    shares = np.where(positive, 0.5 / positive.sum(), 0.5 / (~positive).sum())
    weight, ridge = np.zeros(scaled.shape[1]), RIDGE * np.eye(scaled.shape[1])
    for _ in range(ROUNDS):
        likely = expit(scaled @ weight)
        slope = scaled.T @ (shares * (likely - positive)) + ridge @ weight
        curve = (scaled * (shares * likely * (1 - likely))[:, None]).T @ scaled + ridge
        weight -= np.linalg.solve(curve, slope)
    slopes = weight[:-1] / deviation
    return np.append(slopes, weight[-1] - slopes @ mean)
