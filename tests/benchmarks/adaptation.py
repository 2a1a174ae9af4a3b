"""Adaptation without labels over all ordered pairs of three corpora: UAR before and after, and its estimate.

    python -m tests.benchmarks.adaptation FOLDER --emodb DIR --ravdess DIR --emotale DIR --whisper DIR

A discriminant (shrinkage 0.5) of a source's clips, on mean and deviation of frozen Whisper tiny.en, layers 1 to 3, and
of the emotions that both corpora have, is adapted to all clips of the target by `adapt_classifier`, as `ser-tl adapt`
does. How much the source's means count (kappa) is chosen leaving out the scored target: by the mean UAR of the pairs
whose target is another. `others` adapts to every second speaker of the target and scores the rest, both ways round.
Below it what becomes of targets that aren't fit for it: of one emotion, of few clips, of lopsided shares. Features are
kept in FOLDER. docs/results.md has the table.
"""

import argparse
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from datasets import Dataset
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from ser_tl.corpora import load_corpora
from ser_tl.inference.adaptation import find_obstacle
from ser_tl.modules.adaptation import KAPPA, AdaptedClassifier, adapt_classifier, split_channels
from ser_tl.modules.discriminant import Discriminant, build_discriminant
from ser_tl.modules.outliers import OutlierScore
from tests.benchmarks.adaptation_guard import Part, choose_parts, print_held_out, print_kinds
from tests.benchmarks.defaults.probes import pool_states

CORPORA = ("emodb", "ravdess", "emotale")
LAYERS, SHRINKAGE, GROUPS = [1, 2, 3], 0.5, 4
KAPPAS = (0.1, 0.3, 1.0, 3.0, None)
"""None: the target's statistics alone."""

TEMPERATURES = np.logspace(-1, 3, 81)


class Pair(NamedTuple):
    """A source's classifier and a target.

    Attributes:
        weight: (C, E) of the classifier
        bias: (C,) likewise
        scale: of its logits, by the source's speakers held out
        score: of the source's clips
        rows: (n, E) of the target, normalised by the source
        truth: (n,) class indices
        speakers: of each clip
        held_out: UAR of the source's own speakers held out, in percent
        confidence: (m,) likeliest probability of each of these clips
        error: share of them that is answered wrong
        halves: discriminants of both halves of the channels, fitted on the source's clips
    """

    weight: Tensor
    bias: Tensor
    scale: float
    score: OutlierScore
    rows: Tensor
    truth: np.ndarray
    speakers: np.ndarray
    held_out: float
    confidence: np.ndarray
    error: float
    halves: list[Discriminant]


def main() -> None:
    """Prints the tables."""
    corpus, pooled = read_pooled(__doc__)
    # As a model's embedding has them: the means of all layers, then their deviations.
    features = pooled[:, LAYERS].reshape(len(corpus), len(LAYERS), 2, -1).swapaxes(1, 2).reshape(len(corpus), -1)
    rows = torch.from_numpy(features).double()
    pairs = {ends: make_pair(corpus, rows, *ends) for ends in permutations(CORPORA, 2)}
    adapted = {
        (ends, kappa): adapt(pair, np.arange(len(pair.rows)), kappa) for ends, pair in pairs.items() for kappa in KAPPAS
    }
    print_pairs(pairs, adapted)
    print_proxies(pairs, adapted)
    for kappa in (None, KAPPA):
        print(f"\nparts of targets, kappa {kappa}")
        parts = adapt_parts(pairs, kappa)
        print_kinds(parts)
        if kappa is None:
            print_held_out(parts)


def read_pooled(description: str | None) -> tuple[Dataset, np.ndarray]:
    """The corpora of the command line, and Whisper's pooled states (n, layers, 2 D) of their clips, kept in its folder.

    Args:
        description: of the command line
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name in CORPORA:
        parser.add_argument(f"--{name}", type=Path, required=True, help="its folder")
    parser.add_argument("--whisper", type=Path, required=True, help="whisper-tiny.en's folder")
    options = parser.parse_args()
    corpus, _ = load_corpora([f"{name}:{getattr(options, name)}" for name in CORPORA])
    homes = np.array(corpus["corpus"][:])
    features = []
    for name in CORPORA:
        clips = corpus.select(np.flatnonzero(homes == name))
        file = options.folder / "features" / name / "whisper.npz"
        features.append(pool_states(clips, "whisper", file, options.whisper))
    return corpus, np.concatenate(features)


def make_pair(corpus: Dataset, rows: Tensor, source: str, target: str) -> Pair:
    """The classifier of all of a source's clips, and its target."""
    homes, emotions, speakers = (np.array(corpus[column][:]) for column in ("corpus", "emotion", "speaker"))
    labels = sorted(set(emotions[homes == source]) & set(emotions[homes == target]))
    inside, outside = ((homes == name) & np.isin(emotions, labels) for name in (source, target))
    truth, tested = (np.array([labels.index(name) for name in emotions[clips]]) for clips in (inside, outside))
    mean, deviation = rows[inside].mean(dim=0), rows[inside].std(dim=0, correction=0) + 1e-3
    trained, classes = (rows[inside] - mean) / deviation, len(labels)
    names = sorted(set(speakers[inside]))
    group = np.array([names.index(name) % GROUPS for name in speakers[inside]])
    logits = np.zeros((len(truth), classes))
    for out in range(GROUPS):
        chosen = group != out
        fitted = build_discriminant(trained[chosen], torch.from_numpy(truth[chosen]), classes, SHRINKAGE, 1.0)
        logits[~chosen] = fitted(trained[~chosen].float()).detach().numpy()
    losses = [
        -torch.from_numpy(logits / temperature).log_softmax(dim=1).numpy()[np.arange(len(truth)), truth].mean()
        for temperature in TEMPERATURES
    ]
    fitted = build_discriminant(trained, torch.from_numpy(truth), classes, SHRINKAGE, 1.0)
    return Pair(
        fitted.weight.detach().double(),
        fitted.bias.detach().double(),
        1.0 / float(TEMPERATURES[int(np.argmin(losses))]),
        OutlierScore.fit(trained, torch.from_numpy(truth), classes),
        (rows[outside] - mean) / deviation,
        tested,
        speakers[outside],
        uar(logits.argmax(axis=1), truth),
        softmax(logits / TEMPERATURES[int(np.argmin(losses))]).max(axis=1),
        float((logits.argmax(axis=1) != truth).mean()),
        [
            build_discriminant(trained[:, channels], torch.from_numpy(truth), classes, SHRINKAGE, 1.0)
            for channels in split_channels(trained.shape[1])
        ],
    )


def adapt(pair: Pair, clips: np.ndarray, kappa: float | None) -> AdaptedClassifier:
    """The classifier adapted to some of a target's clips."""
    return adapt_classifier(pair.weight, pair.bias, pair.score, pair.rows[clips], scale=pair.scale, kappa=kappa)


def answer(pair: Pair, adapted: AdaptedClassifier | None) -> np.ndarray:
    """The likeliest class (n,) of all of a target's clips."""
    if adapted is None:
        return (pair.rows @ pair.weight.T + pair.bias).argmax(dim=1).numpy()
    rows = (pair.rows - adapted.mean) / adapted.deviation
    return (rows @ adapted.weight.T + adapted.bias).argmax(dim=1).numpy()


def uar(answers: np.ndarray, truth: np.ndarray) -> float:
    """Mean recall of the classes that occur, in percent."""
    return 100 * float(np.mean([(answers[truth == name] == name).mean() for name in np.unique(truth)]))


Adapted = dict[tuple[tuple[str, str], float | None], AdaptedClassifier]


def print_pairs(pairs: dict[tuple[str, str], Pair], adapted: Adapted) -> None:
    """A line a pair, and what they come to."""
    scores = {
        (ends, kappa): uar(answer(pairs[ends], found), pairs[ends].truth) for (ends, kappa), found in adapted.items()
    }
    lines = []
    for ends, pair in pairs.items():
        others = [other for other in pairs if other[1] != ends[1]]
        kappa = max(KAPPAS, key=lambda kappa: float(np.mean([scores[other, kappa] for other in others])))
        found, before = adapted[ends, kappa], uar(answer(pair, None), pair.truth)
        statistics, after = scores[ends, None], scores[ends, kappa]
        rest = score_others(pair, kappa)
        refused = find_obstacle(found)
        estimate = 100 * found.agreement
        lines.append([before, statistics, after, rest - before, estimate - statistics, estimate - after])
        print(
            f"{ends[0]} -> {ends[1]}: {len(np.unique(pair.truth))} emotions, source held out {pair.held_out:.1f}; "
            f"before {before:.1f}, statistics {statistics:.1f}, kappa {kappa} {after:.1f}, others {rest:.1f}; "
            f"estimate {estimate:.1f} (before {100 * found.agreement_before:.1f}), "
            f"changed {100 * found.changed:.0f} %; {refused or 'not refused'}; "
            + ", ".join(f"kappa {other} {scores[ends, other]:.1f}" for other in KAPPAS),
            flush=True,
        )
    table = np.array(lines)
    for column, name in ((1, "statistics"), (2, "em")):
        gain, error = table[:, column] - table[:, 0], table[:, column + 3]
        print(
            f"{name}: mean gain {gain.mean():.1f}, worst {gain.min():.1f}; estimate within 5 points on "
            f"{(abs(error) <= 5).sum()} of {len(error)}, root mean square {np.sqrt((error**2).mean()):.1f}"
        )
    print(f"others: mean gain {table[:, 3].mean():.1f}, worst {table[:, 3].min():.1f}")


def score_others(pair: Pair, kappa: float | None) -> float:
    """UAR of the speakers whom the classifier wasn't adapted to, in percent."""
    answers = np.zeros(len(pair.rows), dtype=int)
    half = np.isin(pair.speakers, sorted(set(pair.speakers))[::2])
    for inside in (half, ~half):
        answers[~inside] = answer(pair, adapt(pair, np.flatnonzero(inside), kappa))[~inside]
    return uar(answers, pair.truth)


def print_proxies(pairs: dict[tuple[str, str], Pair], adapted: Adapted) -> None:
    """A line a label-free proxy: how far it is from the UAR by the target's statistics, in points.

    Agreement of two views (Jiang et al. 2022), by the covariance that a model keeps and by that of all clips; average
    confidence; the share of clips that are surer than the source's wrong ones (ATC; Garg et al. 2022); and the mean
    probability of an optimal transport to equally frequent classes (COT; Lu et al. 2023).
    """
    errors: dict[str, list[float]] = {}
    for ends, pair in pairs.items():
        found = adapted[ends, None]
        rows = (pair.rows - found.mean) / found.deviation
        table = softmax(pair.scale * (rows @ found.weight.T + found.bias).numpy())
        truth = uar(answer(pair, found), pair.truth)
        names = np.repeat(np.arange(table.shape[1]), -(-len(table) // table.shape[1]))[: len(table)]
        order = linear_sum_assignment(-table[:, names])
        views = split_channels(rows.shape[1])
        answers = [
            half(rows[:, channels].float()).argmax(dim=1) for half, channels in zip(pair.halves, views, strict=True)
        ]
        proxies = {
            "agreement": found.agreement,
            "agreement of views fitted on the source's clips": (answers[0] == answers[1]).double().mean(),
            "average confidence": table.max(axis=1).mean(),
            "ATC": (table.max(axis=1) > np.quantile(pair.confidence, pair.error)).mean(),
            "COT": table[:, names][order].mean(),
        }
        for name, value in proxies.items():
            errors.setdefault(name, []).append(100 * float(value) - truth)
    for name, off in errors.items():
        near = sum(abs(value) <= 5 for value in off)
        print(f"{name}: {', '.join(f'{value:+.1f}' for value in off)}; within 5 on {near}")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (n, C)."""
    return torch.from_numpy(logits).softmax(dim=1).numpy()


def adapt_parts(pairs: dict[tuple[str, str], Pair], kappa: float | None, seed: int = 0) -> list[Part]:
    """All parts of all targets, adapted to."""
    draw, parts = np.random.default_rng(seed), []
    for ends, pair in pairs.items():
        for kind, chosen in choose_parts(pair.truth, pair.speakers, draw).items():
            for part in chosen:
                found = adapt(pair, part, kappa)
                before, after = (uar(answer(pair, way)[part], pair.truth[part]) for way in (None, found))
                parts.append(Part(ends, kind, len(part), before, after, found))
    return parts


if __name__ == "__main__":
    main()
