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
from typing import Literal, NamedTuple

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from ser_tl.data.batch_plan import average_windows
from ser_tl.data.batching import Batch, Clips
from ser_tl.inference.clips import Pass, collect_clips, embed_batch, forward_batch
from ser_tl.inference.distance import Perturbed, fit_distance, perturb
from ser_tl.inference.outliers import GROUPS, fit_outliers, fit_score, score_threshold
from ser_tl.model import EmotionModel
from ser_tl.modules.calibration import Calibration
from ser_tl.modules.conformal import PredictionSets
from ser_tl.modules.discriminant import DiscriminantFit, build_discriminant
from ser_tl.modules.feature_norm import NormTable
from ser_tl.modules.outliers import OutlierScore

Method = Literal["temperature", "vector"]

DEV = "dev speakers, on whom the epoch was chosen as well"
HELD_OUT = "training and dev speakers, each judged by the classifier of others"

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

    def score(values: np.ndarray, outliers: OutlierScore) -> np.ndarray:
        return outliers(torch.from_numpy(values[:, classes:]).to(model.device)).cpu().numpy()

    rows, speakers = collect_clips([model], part[1], forward, how), _speakers(part[0])
    names = [speakers[name] for name in rows.ids]
    scores = perturbed = None
    if model.outliers is not None:
        changed = collect_clips([model], perturb(model, part[0])[1], forward, how)
        scores = score(rows.values, model.outliers)
        perturbed = Perturbed(changed.values[:, :classes], changed.labels, score(changed.values, model.outliers))
    model.calibration = fit_calibration(
        rows.values[:, :classes],
        rows.labels,
        rows.ids,
        names,
        source=source,
        method=method,
        scores=scores,
        threshold=None if scores is None else score_threshold(torch.from_numpy(scores), names),
        perturbed=perturbed,
    )


class PerturbedEmbedding(NamedTuple):
    """Changed clips of a refit's speakers.

    Attributes:
        embedding: (m, E)
        labels: (m,) class indices
        speakers: m names
    """

    embedding: Tensor
    labels: Tensor
    speakers: list[str]


def embed_perturbed(
    model: EmotionModel, corpus: Dataset, how: Pass, norms: NormTable | None = None
) -> PerturbedEmbedding:
    """Some changed clips of a refit's speakers, embedded. Every process calls it and gets the same.

    Args:
        model: the model; its head has no part in it
        corpus: the speakers' clips
        how: the processes, and the size of batches
        norms: statistics of the speakers or corpora that clips are of
    """
    chosen, clips = perturb(model, corpus)
    collected = collect_clips([model], clips, lambda batch: embed_batch(model, batch, norms).float(), how)
    speakers = _speakers(chosen)
    labels = torch.from_numpy(collected.labels).long()
    return PerturbedEmbedding(torch.from_numpy(collected.values), labels, [speakers[name] for name in collected.ids])


def calibrate_refit(
    model: EmotionModel, fit: DiscriminantFit, embedding: Tensor, labels: Tensor, ids: Sequence[str],
    speakers: Sequence[str], rows: Sequence[int], *, method: Method, perturbed: PerturbedEmbedding | None = None,
    channel_groups: Sequence[Tensor] = (),
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
        perturbed: changed clips, which tell how sure to be far from the training data; None for as sure as near it
        channel_groups: as of `fit_discriminant`
    """
    chosen, classes = list(rows), len(model.labels)
    names = [speakers[row] for row in chosen]
    logits = fit.held_out[chosen].numpy(), labels[chosen].numpy()
    outliers = fit_outliers(embedding[chosen], labels[chosen], names, classes)
    changed = None
    if perturbed is not None and outliers.threshold is not None:
        changed = judge_perturbed(fit, embedding[chosen], labels[chosen], names, classes, perturbed, channel_groups)
    model.outliers = outliers.score.to(model.device)
    model.calibration = fit_calibration(
        *logits,
        [ids[row] for row in chosen],
        names,
        source=HELD_OUT,
        method=method,
        scores=outliers.scores,
        threshold=outliers.threshold,
        perturbed=changed,
    )


def judge_perturbed(
    fit: DiscriminantFit, embedding: Tensor, labels: Tensor, speakers: Sequence[str], classes: int,
    perturbed: PerturbedEmbedding, channel_groups: Sequence[Tensor],
) -> Perturbed:  # fmt: skip
    """Logits and outlier scores of changed clips by classifiers of other speakers.

    Args:
        fit: on the clips as they are
        embedding: (n, E) of these
        labels: (n,) class indices
        speakers: n names
        classes: number of classes, C
        perturbed: changed clips of the same speakers
        channel_groups: as of `fit_discriminant`
    """
    names = sorted(set(speakers))
    group = torch.tensor([names.index(name) % GROUPS for name in speakers])
    owner = torch.tensor([names.index(name) % GROUPS for name in perturbed.speakers])
    logits = torch.zeros(len(owner), classes)
    scores = torch.zeros(len(owner))
    for out in range(min(GROUPS, len(names))):
        inside, chosen = group != out, owner == out
        if not chosen.any():
            continue
        rows, rows_labels = embedding[inside], labels[inside]
        judge = build_discriminant(
            rows, rows_labels, classes, fit.shrinkage, fit.temperature, channel_groups=channel_groups
        )
        logits[chosen] = judge(perturbed.embedding[chosen].float()).detach()
        scores[chosen] = fit_score(rows, rows_labels, classes)(perturbed.embedding[chosen])
    return Perturbed(logits.numpy(), perturbed.labels.numpy(), scores.numpy())


def _speakers(corpus: Dataset) -> dict[str, str]:
    return dict(zip(corpus["id"][:], corpus["speaker"][:], strict=True))


def fit_calibration(
    logits: np.ndarray,
    labels: np.ndarray,
    ids: Sequence[str],
    speakers: Sequence[str],
    *,
    source: str,
    method: Method = "temperature",
    scores: np.ndarray | None = None,
    threshold: float | None = None,
    perturbed: Perturbed | None = None,
) -> Calibration:
    """The calibration of the lowest log loss, and the prediction sets that go with it.

    Args:
        logits: (n, C) of windows
        labels: (n,) class indices
        ids: of the recording that each window is a part of
        speakers: of each window
        source: whose clips these are, in words
        method: `temperature` or `vector`
        scores: (n,) outlier scores of the windows; None without
        threshold: of the outlier score; None without
        perturbed: changed clips of speakers held out, which the weight of the distance is fitted to; None for none
    """
    scale, bias = _fit_scale(torch.from_numpy(logits).double(), torch.from_numpy(labels).long(), method)
    plain = Calibration(method, [1.0], [], source, len(set(ids)), len(set(speakers)), 0.0, 0.0)
    fitted = replace(plain, scale=scale, bias=bias, outlier_threshold=threshold)
    if perturbed is not None:
        fitted = fit_distance(fitted, perturbed)
    order = list(dict.fromkeys(ids))
    row = {name: index for index, name in reversed(list(enumerate(ids)))}
    rows = [row[name] for name in order]
    before, after = (average_windows(ids, candidate.apply(logits, scores), order) for candidate in (plain, fitted))
    true = labels[rows]
    return replace(
        fitted,
        log_loss_before=_log_loss(before, true),
        log_loss_after=_log_loss(after, true),
        sets=PredictionSets.fit(after, true, [speakers[index] for index in rows]),
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
