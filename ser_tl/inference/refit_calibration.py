"""The calibration of a classifier that was fitted in closed form on all training and dev speakers.

    its held-out logits, changed clips --calibrate_refit()--> model.calibration, model.outliers

It has learned from dev as well: what is measured comes from speakers held out in turn, each judged by the classifier of
the others.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from ser_tl.data.batching import Clips
from ser_tl.inference.calibration import Method, fit_calibration, speaker_names
from ser_tl.inference.clips import Pass, collect_clips, embed_batch
from ser_tl.inference.distance import Perturbed, perturb
from ser_tl.inference.outliers import GROUPS, OutlierFit, fit_outliers, fit_score
from ser_tl.inference.short_clips import Judged, cut_middles, judge_parts
from ser_tl.model import EmotionModel
from ser_tl.modules.discriminant import DiscriminantFit, build_discriminant
from ser_tl.modules.feature_norm import NormTable

HELD_OUT = "training and dev speakers, each judged by the classifier of others"


class ChangedEmbedding(NamedTuple):
    """Changed clips of a refit's speakers.

    Attributes:
        embedding: (m, E)
        labels: (m,) class indices
        speakers: m names
        ids: of the utterance that each is of
    """

    embedding: Tensor
    labels: Tensor
    speakers: list[str]
    ids: list[str]


class ChangedClips(NamedTuple):
    """A refit's clips in other forms, embedded.

    Attributes:
        perturbed: as recordings are outside of a studio
        parts: the middle of them; None where no clip is long enough
        lengths: (m,) seconds of each part
    """

    perturbed: ChangedEmbedding
    parts: ChangedEmbedding | None
    lengths: np.ndarray


def embed_changed(model: EmotionModel, corpus: Dataset, how: Pass, norms: NormTable | None = None) -> ChangedClips:
    """Some of a refit's clips in other forms, embedded. Every process calls it and gets the same.

    Args:
        model: the model; its head has no part in it
        corpus: the speakers' clips
        how: the processes, and the size of batches
        norms: statistics of the speakers or corpora that clips are of
    """
    speakers = speaker_names(corpus)

    def embed(clips: Clips) -> ChangedEmbedding:
        collected = collect_clips([model], clips, lambda batch: embed_batch(model, batch, norms).float(), how)
        labels = torch.from_numpy(collected.labels).long()
        names = [speakers[name] for name in collected.ids]
        return ChangedEmbedding(torch.from_numpy(collected.values), labels, names, collected.ids)

    middles = cut_middles(model, corpus)
    return ChangedClips(embed(perturb(model, corpus)), embed(middles) if len(middles) else None, middles.lengths)


def calibrate_refit(
    model: EmotionModel, fit: DiscriminantFit, embedding: Tensor, labels: Tensor, ids: Sequence[str],
    speakers: Sequence[str], rows: Sequence[int], *, method: Method, changed: ChangedClips | None = None,
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
        changed: which tell how sure to be far from the training data, and of short clips; None for as sure as of others
        channel_groups: as of `fit_discriminant`
    """
    chosen, classes = list(rows), len(model.labels)
    names = [speakers[row] for row in chosen]
    logits = fit.held_out[chosen].numpy(), labels[chosen].numpy()
    outliers = fit_outliers(embedding[chosen], labels[chosen], names, classes)
    perturbed = parts = None
    if changed is not None and outliers.threshold is not None:

        def judge(clips: ChangedEmbedding) -> Perturbed:
            return judge_changed(fit, embedding[chosen], labels[chosen], names, outliers, clips, channel_groups)

        perturbed = judge(changed.perturbed)
        if changed.parts is not None:
            judged = Judged(changed.parts.ids, *judge(changed.parts)[:2])
            parts = judge_parts(judged, changed.lengths, Judged([ids[row] for row in chosen], *logits))
    model.outliers = outliers.score.to(model.device)
    model.calibration = fit_calibration(
        *logits,
        [ids[row] for row in chosen],
        names,
        source=HELD_OUT,
        method=method,
        remoteness=outliers.remoteness,
        threshold=outliers.threshold,
        perturbed=perturbed,
        parts=parts,
    )


def judge_changed(
    fit: DiscriminantFit, embedding: Tensor, labels: Tensor, speakers: Sequence[str], outliers: OutlierFit,
    changed: ChangedEmbedding, channel_groups: Sequence[Tensor],
) -> Perturbed:  # fmt: skip
    """Logits and distances of changed clips by classifiers of other speakers.

    Args:
        fit: on the clips as they are
        embedding: (n, E) of these
        labels: (n,) class indices
        speakers: n names
        outliers: of all of them, which tell what is usual; with a threshold
        changed: changed clips of the same speakers
        channel_groups: as of `fit_discriminant`
    """
    names = sorted(set(speakers))
    group = torch.tensor([names.index(name) % GROUPS for name in speakers])
    owner = torch.tensor([names.index(name) % GROUPS for name in changed.speakers])
    classes, threshold = len(outliers.score.means), outliers.threshold or 1.0
    logits = torch.zeros(len(owner), classes)
    remoteness = torch.zeros(len(owner))
    for out in range(min(GROUPS, len(names))):
        inside, chosen = group != out, owner == out
        if not chosen.any():
            continue
        rows, rows_labels = embedding[inside], labels[inside]
        judge = build_discriminant(
            rows, rows_labels, classes, fit.shrinkage, fit.temperature, channel_groups=channel_groups
        )
        logits[chosen] = judge(changed.embedding[chosen].float()).detach()
        measured = fit_score(rows, rows_labels, classes).measure(changed.embedding[chosen])
        remoteness[chosen] = outliers.score.relate_distance(measured, threshold)
    return Perturbed(logits.numpy(), changed.labels.numpy(), remoteness.numpy())
