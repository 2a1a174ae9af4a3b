"""The calibration of a trained model, fitted on speakers whom its weights never saw.

    model, train, dev --calibrate()--> model.calibration, model.outliers

Dev speakers chose the epoch, by their UAR: what is fitted on them is a little too hopeful of new ones. A classifier
that was refitted has learned from dev as well: see `refit_calibration`.

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
from ser_tl.inference.distance import Perturbed, fit_distance, perturb
from ser_tl.inference.outliers import fit_score, score_threshold, set_usual
from ser_tl.inference.short_clips import Judged, JudgedParts, cut_middles, find_shortest, judge_parts
from ser_tl.model import EmotionModel
from ser_tl.modules.calibration import Calibration
from ser_tl.modules.conformal import PredictionSets
from ser_tl.modules.feature_norm import NormTable
from ser_tl.modules.outliers import OutlierScore

Method = Literal["temperature", "vector"]

DEV = "dev speakers, on whom the epoch was chosen as well"

_PRIOR = 0.5
"""Of the squared logarithm of a scale, and of a squared bias: one clip's worth, so that clips that are all right
don't ask for certainty."""

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
    score = fit_score(torch.from_numpy(trained.values), torch.from_numpy(trained.labels), len(model.labels))
    model.outliers = score.to(model.device)
    _calibrate_on(model, dev, how, method=method, source=DEV, norms=norms)


def recalibrate(
    model: EmotionModel, part: Part, how: Pass, *, method: Method, source: str, norms: NormTable | None = None
) -> None:
    """Calibrates a model anew; the outlier score that it has stays, relative to these speakers.

    A model that was saved before is derived from what it was: its card keeps the data and terms, not the scores.

    Args:
        model: with the weights that it keeps, not trained on the part
        part: what tells probabilities, prediction sets and the score's threshold
        how: the processes, and the size of batches
        method: `temperature` or `vector`
        source: whose clips these are, in words
        norms: statistics of the speakers or corpora that clips are of
    """
    _calibrate_on(model, part, how, method=method, source=source, norms=norms)
    if model.home is not None or model.origin is not None:
        model.derive_from(model, f"Calibrated anew on {source}; its weights are as they were.")


def _calibrate_on(
    model: EmotionModel, part: Part, how: Pass, *, method: Method, source: str, norms: NormTable | None
) -> None:
    """Sets the calibration, and the scale of the outlier score."""

    def forward(batch: Batch) -> Tensor:  # (B, C + E)
        output = forward_batch(model, batch, norms)
        return torch.cat([output.logits.float(), output.embedding.float()], dim=1)

    classes = len(model.labels)

    def measure(values: np.ndarray, outliers: OutlierScore) -> Tensor:
        return outliers.measure(torch.from_numpy(values[:, classes:]).to(model.device))

    rows, speakers = collect_clips([model], part[1], forward, how), speaker_names(part[0])
    names = [speakers[name] for name in rows.ids]
    threshold = remoteness = perturbed = None
    if model.outliers is not None:
        changed = collect_clips([model], perturb(model, part[0]), forward, how)
        measured, far = (measure(values, model.outliers) for values in (rows.values, changed.values))
        set_usual(model.outliers, measured.cpu(), names)
        threshold = score_threshold(model.outliers.combine(measured).cpu(), names)
        near, away = (model.outliers.relate_distance(part, threshold or 1.0).cpu().numpy() for part in (measured, far))
        remoteness, perturbed = near, Perturbed(changed.values[:, :classes], changed.labels, away)
    middles = cut_middles(model, part[0])
    logits, parts = rows.values[:, :classes], None
    if len(middles):
        answers = collect_clips([model], middles, forward, how)
        judged = Judged(answers.ids, answers.values[:, :classes], answers.labels)
        parts = judge_parts(judged, middles.lengths, Judged(rows.ids, logits, rows.labels))
    model.calibration = fit_calibration(
        logits,
        rows.labels,
        rows.ids,
        names,
        source=source,
        method=method,
        remoteness=remoteness,
        threshold=threshold,
        perturbed=perturbed,
        parts=parts,
    )


def speaker_names(corpus: Dataset) -> dict[str, str]:
    """The speaker of each utterance, by id."""
    return dict(zip(corpus["id"][:], corpus["speaker"][:], strict=True))


def fit_calibration(
    logits: np.ndarray,
    labels: np.ndarray,
    ids: Sequence[str],
    speakers: Sequence[str],
    *,
    source: str,
    method: Method = "temperature",
    remoteness: np.ndarray | None = None,
    threshold: float | None = None,
    perturbed: Perturbed | None = None,
    parts: JudgedParts | None = None,
) -> Calibration:
    """The calibration of the lowest log loss, and the prediction sets that go with it.

    Args:
        logits: (n, C) of windows
        labels: (n,) class indices
        ids: of the recording that each window is a part of
        speakers: of each window
        source: whose clips these are, in words
        method: `temperature` or `vector`
        remoteness: (n,) distances of the windows to the training data, relative to the usual one; None without
        threshold: of the outlier score; None without
        perturbed: changed clips of speakers held out, which the weight of the distance is fitted to; None for none
        parts: of their clips, which tell how short a clip may be; None for none
    """
    scale, bias = _fit_scale(torch.from_numpy(logits).double(), torch.from_numpy(labels).long(), method)
    plain = Calibration(method, [1.0], [], source, len(set(ids)), len(set(speakers)), 0.0, 0.0)
    fitted = replace(plain, scale=scale, bias=bias, outlier_threshold=threshold)
    if perturbed is not None:
        fitted = fit_distance(fitted, perturbed)
    order = list(dict.fromkeys(ids))
    row = {name: index for index, name in reversed(list(enumerate(ids)))}
    rows = [row[name] for name in order]
    before, after = (average_windows(ids, candidate.apply(logits, remoteness), order) for candidate in (plain, fitted))
    true = labels[rows]
    return replace(
        fitted,
        log_loss_before=_log_loss(before, true),
        log_loss_after=_log_loss(after, true),
        sets=PredictionSets.fit(after, true, [speakers[index] for index in rows]),
        shortest=None if parts is None else find_shortest(parts),
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
