"""How much of a speaker-independent score is owed to sentences that were trained on.

    features (n, E), labels, speakers, sentences --compare_texts()--> TextScores

Each group of speakers is tested by a closed-form classifier of the others: trained on all their clips
(speaker-disjoint), on those of other sentences than the tested ones alone (text-disjoint), and on as many clips drawn
whatever is said. The last two have as little to learn from: their difference is the sentences' alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ser_tl.comparison.paired_tests import count_by_speaker
from ser_tl.errors import ConfigError
from ser_tl.evaluation import Predictions, Report
from ser_tl.evaluation.bootstrap import Interval, paired_interval
from ser_tl.modules.discriminant import build_discriminant

SPEAKER_FOLDS, TEXT_FOLDS = 6, 5
_SHRINKAGE = 0.5


@dataclass(frozen=True)
class TextScores:
    """UAR, fractions, on the same test clips.

    Args:
        speaker_disjoint: trained on all clips of other speakers
        reduced: on as many of them, drawn at random, as the next
        text_disjoint: on those with other sentences alone
        difference: of the last two
        interval: of that, over speakers
        sentences: how many there are
    """

    speaker_disjoint: float
    reduced: float
    text_disjoint: float
    difference: float
    interval: Interval | None
    sentences: int


def compare_texts(
    features: np.ndarray, emotions: Sequence[str], speakers: Sequence[str], sentences: Sequence[str], *, seed: int = 0
) -> TextScores:
    """The scores.

    Args:
        features: (n, E) of clips, pooled
        emotions: of each clip
        speakers: likewise
        sentences: likewise
        seed: deals speakers and sentences into folds

    Raises:
        ConfigError: one speaker or one sentence, or an emotion that has too few
    """
    labels, who, what = sorted(set(emotions)), np.array(speakers), np.array(sentences)
    if len(set(speakers)) < 2 or len(set(sentences)) < 2:
        raise ConfigError(
            f"{len(set(speakers))} speakers and {len(set(sentences))} sentences: text-disjoint scores need two of each"
        )
    draw = np.random.default_rng(seed)
    voice, text = (_deal(names, folds, draw) for names, folds in ((who, SPEAKER_FOLDS), (what, TEXT_FOLDS)))
    truth = np.array([labels.index(emotion) for emotion in emotions])
    rows, logits = torch.from_numpy(features).double(), {name: np.zeros((len(who), len(labels))) for name in _WAYS}
    for fold in range(voice.max() + 1):
        others = voice != fold
        for text_fold in range(text.max() + 1):
            tested = ~others & (text == text_fold)
            unseen = others & (text != text_fold)
            if not tested.any():
                continue
            if set(truth[tested]) - set(truth[unseen]):
                raise ConfigError("an emotion is said with some sentences only: text-disjoint folds can't teach it")
            reduced = np.zeros(len(who), dtype=bool)
            reduced[draw.choice(np.flatnonzero(others), unseen.sum(), replace=False)] = True
            for name, train in zip(_WAYS, (others, reduced, unseen), strict=True):
                fitted = build_discriminant(
                    rows[torch.from_numpy(train)], torch.from_numpy(truth[train]), len(labels), _SHRINKAGE, 1.0
                )
                with torch.no_grad():
                    logits[name][tested] = fitted(rows[torch.from_numpy(tested)].float()).numpy()
    reports = [
        Report.of(
            Predictions([str(row) for row in range(len(who))], list(speakers), list(emotions), _softmax(each), labels)
        )
        for each in logits.values()
    ]
    counts = [count_by_speaker([[report]])[0] for report in reports]
    return TextScores(
        *(report.uar for report in reports),
        difference=reports[1].uar - reports[2].uar,
        interval=paired_interval(counts[1], counts[2]),
        sentences=len(set(sentences)),
    )


_WAYS = ("speaker-disjoint", "reduced", "text-disjoint")


def _deal(names: np.ndarray, folds: int, draw: np.random.Generator) -> np.ndarray:
    """The fold of each clip, all clips of a name in one."""
    order = draw.permutation(sorted(set(names.tolist()))).tolist()
    fold = {name: number % min(folds, len(order)) for number, name in enumerate(order)}
    return np.array([fold[name] for name in names.tolist()])


def _softmax(logits: np.ndarray) -> np.ndarray:
    rows = np.exp(logits - logits.max(axis=1, keepdims=True))
    return rows / rows.sum(axis=1, keepdims=True)
