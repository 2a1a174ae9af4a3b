"""The calibration of a trained model, fitted on speakers whom its weights never saw.

    model, train, dev --calibrate()--> model.calibration, model.outliers
    refitted classifier, its held-out logits --calibrate_refit()--> likewise

Dev speakers chose the epoch, by their UAR: what is fitted on them is a little too hopeful of new ones. A classifier
that was refitted has learned from dev as well: its calibration comes from training speakers held out in turn, each
judged by the classifier of the others.

Clips count as often as they are there. Class weights teach a network to answer as if emotions were equally frequent; a
temperature, which has no say in single emotions, makes the best of that on clips as frequent as the calibration
speakers'. Where frequencies are others, so are calibrated probabilities.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from ser_tl.data.batch_plan import average_windows
from ser_tl.data.batching import Batch, Clips
from ser_tl.inference.clips import Pass, collect_clips, embed_batch, forward_batch
from ser_tl.model import EmotionModel
from ser_tl.modules.calibration import Calibration
from ser_tl.modules.conformal import PredictionSets, Unit, find_threshold
from ser_tl.modules.discriminant import DiscriminantFit
from ser_tl.modules.feature_norm import NormTable
from ser_tl.modules.outliers import OutlierScore

Method = Literal["temperature", "vector"]

DEV = "dev speakers, on whom the epoch was chosen as well"
HELD_OUT = "training and dev speakers, each judged by the classifier of others"

_PRIOR = 0.5
"""Of the squared logarithm of a scale, and of a squared bias: one clip's worth, so that clips that are all right
don't ask for certainty."""

BELOW = 0.95
"""Share of new speakers' clips whose outlier score is below the threshold."""

MOST_CLIPS = 3000
"""Of those an outlier score is fitted on."""

_GROUPS = 5  # of speakers, held out in turn
_STEPS = 200  # of L-BFGS


Part = tuple[Dataset, Clips]
"""Rows with the columns of `data.schema`, and all their clips, as they are in evaluation."""


def calibrate(
    model: EmotionModel, train: Part, dev: Part, how: Pass, *, method: Method, norms: NormTable | None = None
) -> None:
    """Calibrates a model on dev speakers. Every process calls it and gets the same; one of dimensions alone stays.

    Args:
        model: with the weights that it keeps, not trained on dev
        train: what it was trained on, real speech alone: what the outlier score is fitted on
        dev: what tells probabilities, prediction sets and the score's threshold
        how: the processes, and the size of batches
        method: `temperature` or `vector`
        norms: statistics of the speakers or corpora that clips are of
    """
    if not model.labels:
        return
    trained = collect_clips([model], train[1], lambda batch: embed_batch(model, batch, norms).float(), how)
    score = _fit_score(torch.from_numpy(trained.values), torch.from_numpy(trained.labels), len(model.labels))
    model.outliers = score.to(model.device)
    recalibrate(model, dev, how, method=method, source=DEV, norms=norms)


def recalibrate(
    model: EmotionModel, part: Part, how: Pass, *, method: Method, source: str, norms: NormTable | None = None
) -> None:
    """Calibrates a model anew; the outlier score that it has stays, with a threshold of these speakers.

    Args:
        model: with the weights that it keeps, not trained on the part
        part: what tells probabilities, prediction sets and the score's threshold
        how: the processes, and the size of batches
        method: `temperature` or `vector`
        source: whose clips these are, in words
        norms: statistics of the speakers or corpora that clips are of
    """

    def forward(batch: Batch) -> Tensor:  # (B, C + E)
        output = forward_batch(model, batch, norms)
        return torch.cat([output.logits.float(), output.embedding.float()], dim=1)

    classes = len(model.labels)
    rows, speakers = collect_clips([model], part[1], forward, how), _speakers(part[0])
    names = [speakers[name] for name in rows.ids]
    calibration = fit_calibration(rows.values[:, :classes], rows.labels, rows.ids, names, source=source, method=method)
    embedding = torch.from_numpy(rows.values[:, classes:])
    threshold = None if model.outliers is None else _threshold(model.outliers(embedding.to(model.device)).cpu(), names)
    model.calibration = replace(calibration, outlier_threshold=threshold)


def calibrate_refit(
    model: EmotionModel, fit: DiscriminantFit, embedding: Tensor, labels: Tensor, ids: Sequence[str],
    speakers: Sequence[str], rows: Sequence[int], *, method: Method,
) -> None:  # fmt: skip
    """Calibrates a model whose classifier was refitted on these clips, each judged by the classifier of others.

    Args:
        model: with the refitted classifier
        fit: that
        embedding: (n, E) it was fitted on
        labels: (n,) class indices
        ids: of each clip
        speakers: likewise
        rows: clips as they were recorded: augmented views have no say of their own
        method: `temperature` or `vector`
    """
    chosen = list(rows)
    names = [speakers[row] for row in chosen]
    logits = fit.held_out[chosen].numpy(), labels[chosen].numpy()
    calibration = fit_calibration(*logits, [ids[row] for row in chosen], names, source=HELD_OUT, method=method)
    score, threshold = fit_outliers(embedding[chosen], labels[chosen], names, len(model.labels))
    model.outliers = score.to(model.device)
    model.calibration = replace(calibration, outlier_threshold=threshold)


def _speakers(corpus: Dataset) -> dict[str, str]:
    return dict(zip(corpus["id"][:], corpus["speaker"][:], strict=True))


def fit_outliers(
    embedding: Tensor, labels: Tensor, speakers: Sequence[str], classes: int
) -> tuple[OutlierScore, float | None]:
    """The outlier score of some training clips, and the threshold by speakers held out in turn.

    Args:
        embedding: (n, E)
        labels: (n,) class indices
        speakers: n names
        classes: number of classes, C

    Returns:
        The score, and the value below which 95 % of new speakers' clips are; None where no speaker can be held out.
    """
    names = sorted(set(speakers))
    group = torch.tensor([names.index(name) % _GROUPS for name in speakers])
    scores = torch.full((len(labels),), torch.nan)
    for out in range(min(_GROUPS, len(names)) if len(names) > 1 else 0):
        inside = group != out
        scores[~inside] = _fit_score(embedding[inside], labels[inside], classes)(embedding[~inside])
    threshold = None if scores.isnan().any() else _threshold(scores, speakers)
    return _fit_score(embedding, labels, classes), threshold


def _fit_score(embedding: Tensor, labels: Tensor, classes: int) -> OutlierScore:
    if len(labels) > MOST_CLIPS:  # more tell little, and the covariance of all takes minutes
        chosen = torch.from_numpy(np.random.default_rng(0).permutation(len(labels))[:MOST_CLIPS]).sort().values
        embedding, labels = embedding[chosen], labels[chosen]
    return OutlierScore.fit(embedding, labels, classes)


def _threshold(scores: Tensor, speakers: Sequence[str]) -> float | None:
    """The score below which a share of new speakers' clips are."""
    people = len(set(speakers))
    unit: Unit = "speakers" if BELOW * (people + 1) <= people + 1e-9 else "clips"
    return find_threshold(scores.double().numpy(), np.array(speakers), BELOW, unit)


def fit_calibration(
    logits: np.ndarray,
    labels: np.ndarray,
    ids: Sequence[str],
    speakers: Sequence[str],
    *,
    source: str,
    method: Method = "temperature",
) -> Calibration:
    """The calibration of the lowest log loss, and the prediction sets that go with it.

    Args:
        logits: (n, C) of windows
        labels: (n,) class indices
        ids: of the recording that each window is a part of
        speakers: of each window
        source: whose clips these are, in words
        method: `temperature` or `vector`
    """
    scale, bias = _fit_scale(torch.from_numpy(logits).double(), torch.from_numpy(labels).long(), method)
    plain = Calibration(method, [1.0], [], source, len(set(ids)), len(set(speakers)), 0.0, 0.0)
    fitted = Calibration(method, scale, bias, source, plain.clips, plain.speakers, 0.0, 0.0)
    order = list(dict.fromkeys(ids))
    row = {name: index for index, name in reversed(list(enumerate(ids)))}
    rows = [row[name] for name in order]
    before, after = (average_windows(ids, candidate.apply(logits), order) for candidate in (plain, fitted))
    true = labels[rows]
    return Calibration(
        method,
        scale,
        bias,
        source,
        len(order),
        plain.speakers,
        _log_loss(before, true),
        _log_loss(after, true),
        PredictionSets.fit(after, true, [speakers[index] for index in rows]),
    )


def _fit_scale(logits: Tensor, labels: Tensor, method: Method) -> tuple[list[float], list[float]]:
    classes = logits.shape[1]
    vector = method == "vector"
    log_scale = torch.zeros(classes if vector else 1, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes if vector else 0, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_scale, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        scaled = logits * log_scale.exp() + (bias if vector else 0.0)
        total = torch.nn.functional.cross_entropy(scaled, labels, reduction="sum")
        total = (total + _PRIOR * (log_scale.square().sum() + bias.square().sum())) / len(labels)
        total.backward()
        return total

    with torch.enable_grad():
        optimizer.step(loss)
    return log_scale.detach().exp().tolist(), bias.detach().tolist()


def _log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean())
