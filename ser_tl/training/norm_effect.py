"""Whether normalisation by speaker or corpus helps, measured on training speakers who are held out in turn.

    frozen or trained encoder -> mean, deviation over time of each clip -> discriminant of the other speakers
    twice: as they are, and standardised by each domain's own statistics -> two UARs; a warning if the second is lower

A speaker's mean removes the voice, and with it an emotion that the speaker has in nearly every clip. Where voice and
emotion coincide like this, normalisation by speaker lowers the score, and the test speakers would show it too late.
 The probe is a closed-form classifier on plain statistics, whatever the model's own pooling and head are: it
compares the two ways of standardising and doesn't predict the model's score.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from ser_tl.data.batching import Batch, Clips
from ser_tl.evaluation.bootstrap import Interval, paired_interval
from ser_tl.evaluation.scores import confusion_by_group, mean_recall
from ser_tl.inference.bars import write_line
from ser_tl.inference.clips import Pass, collect_clips
from ser_tl.inference.moments import clip_statistics
from ser_tl.model import EmotionModel
from ser_tl.modules.discriminant import build_discriminant

MOST_CLIPS = 1000
"""Of the probe, which takes whole speakers in random order: its cost grows with the cube of the number of clips."""

GROUPS = 5  # of speakers, held out in turn
SHRINKAGE = 0.5  # of both discriminants
EPSILON = 1e-3  # added to a deviation


class PooledSpeech(NamedTuple):
    """The clips of the probe.

    Attributes:
        embedding: (n, E) float64, mean and deviation over time of each layer
        labels: (n,) class indices
        speakers: of each clip
        domains: of each clip: the speaker or corpus whose statistics normalise it
    """

    embedding: Tensor
    labels: Tensor
    speakers: list[str]
    domains: list[str]


class NormEffect(NamedTuple):
    """The effect of each domain's own statistics on held-out speakers.

    Attributes:
       own_uar: with each domain's own statistics, a fraction
        training_uar: with those of the training speech
        interval: of the difference own_uar - training_uar, over speakers; None with one speaker
        speakers: how many were held out
    """

    own_uar: float
    training_uar: float
    interval: Interval | None
    speakers: int


def check_statistics(
    model: EmotionModel, parts: Sequence[tuple[Dataset, Clips]], how: Pass, *, seed: int
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Measures own statistics against those of the training speech, and warns on the console where they are worse.

    Every process calls it and gets the same. Nothing is measured where the model has no statistics of domains or no
    emotions, or there is one speaker only.

    Args:
        model: trained
        parts: training and dev part, with their clips as they are in evaluation
        how: the processes, and the size of batches
        seed: chooses speakers and groups

    Returns:
        Facts and notes for every report.
    """
    statistics = model.config.statistics
    if statistics == "training" or not model.labels:
        return {}, []
    speech = _pool_speakers(model, parts, how, seed)
    if len(set(speech.speakers)) < 2:
        return {}, []
    effect = measure_effect(speech, len(model.labels), seed=seed)
    facts = {"own": effect.own_uar, "training": effect.training_uar, "speakers": effect.speakers}
    if effect.interval is not None:
        facts |= {"difference_low": effect.interval.low, "difference_high": effect.interval.high}
    notes = [describe_worse(statistics, effect)] if effect.own_uar < effect.training_uar else []
    for note in notes if how.processes.process_index == 0 else []:
        write_line(f"warning: {note}")
    return {"statistics_check": facts}, notes


def measure_effect(speech: PooledSpeech, classes: int, *, seed: int) -> NormEffect:
    """Scores held-out speakers with and without their own statistics.

    Args:
        speech: of at least two speakers
        classes: number of classes, C
        seed: of the groups in which speakers are held out
    """
    names = np.random.default_rng(seed).permutation(sorted(set(speech.speakers))).tolist()
    group_of = {name: number % GROUPS for number, name in enumerate(names)}
    groups = torch.tensor([group_of[name] for name in speech.speakers])
    counts = []
    for by_domain in (True, False):
        predictions = torch.empty_like(speech.labels)
        for group in range(min(GROUPS, len(names))):
            held_out = groups == group
            rows = speech.embedding
            if by_domain:  # a tested corpus has the statistics of its tested clips alone
                domains = [
                    f"{name} {is_held_out}" for name, is_held_out in zip(speech.domains, held_out.tolist(), strict=True)
                ]
                rows = standardize_domains(rows, domains)
            fitted = build_discriminant(rows[~held_out], speech.labels[~held_out], classes, SHRINKAGE, 1.0)
            predictions[held_out] = fitted.classify(rows[held_out].float()).argmax(dim=-1)
        _, counted = confusion_by_group(
            speech.speakers, speech.labels.tolist(), predictions.tolist(), list(range(classes))
        )
        counts.append(counted)
    own_uar, training_uar = (float(mean_recall(table.sum(axis=0))) for table in counts)
    return NormEffect(own_uar, training_uar, paired_interval(*counts, seed=seed), len(names))


def standardize_domains(rows: Tensor, domains: Sequence[str]) -> Tensor:
    """Rows (n, E) with zero mean and unit deviation within each domain."""
    _, index = np.unique(np.asarray(domains), return_inverse=True)
    index = torch.from_numpy(index.reshape(-1))
    count = torch.bincount(index)[:, None]
    mean = torch.zeros(len(count), rows.shape[1], dtype=rows.dtype).index_add_(0, index, rows) / count
    centred = rows - mean[index]
    variance = torch.zeros_like(mean).index_add_(0, index, centred.square()) / count
    return centred / (variance.sqrt() + EPSILON)[index]


def describe_worse(statistics: str, effect: NormEffect) -> str:
    """The warning where own statistics are worse.

    Args:
        statistics: `ModelConfig.statistics`
        effect: measured
    """
    difference, between = 100 * (effect.own_uar - effect.training_uar), ""
    if effect.interval is not None:
        low, high = 100 * effect.interval.low, 100 * effect.interval.high
        between = f", interval {low:.1f} to {high:.1f}{', which includes zero' if high >= 0 else ''}"
    return (
        f"model.statistics {statistics} loses on training speakers held out in turn: UAR {100 * effect.own_uar:.1f} "
        f"with each {statistics}'s own statistics, {100 * effect.training_uar:.1f} with those of the training speech "
        f"(difference {difference:.1f}{between}; {effect.speakers} speakers, a closed-form probe). Where "
        f"a {statistics} has nearly one emotion, its own mean removes the emotion: train with model.statistics "
        f"training, unless the speakers to predict have clips of all emotions"
    )


def _pool_speakers(model: EmotionModel, parts: Sequence[tuple[Dataset, Clips]], how: Pass, seed: int) -> PooledSpeech:
    """Pooled states of whole speakers, up to `MOST_CLIPS` clips, in one order in every process."""

    def statistics(batch: Batch) -> Tensor:  # (B, E)
        return torch.cat(clip_statistics(model, batch).unbind(), dim=1)

    chosen = choose_speakers([name for corpus, _ in parts for name in corpus["speaker"][:]], seed)
    rows: list[np.ndarray] = []
    labels: list[int] = []
    speakers: list[str] = []
    domains: list[str] = []
    for corpus, clips in parts:
        collected = collect_clips([model], clips, statistics, how)
        means = collected.by_utterance(corpus["id"][:])
        label_of = dict(zip(collected.ids, collected.labels.tolist(), strict=True))
        columns = (corpus[name][:] for name in ("id", "speaker", model.config.statistics))
        for row, name, speaker, domain in zip(means, *columns, strict=True):
            if speaker in chosen:
                rows.append(row)
                labels.append(label_of[name])
                speakers.append(speaker)
                domains.append(domain)
    return PooledSpeech(torch.from_numpy(np.stack(rows)).double(), torch.tensor(labels), speakers, domains)


def choose_speakers(speaker_of_clips: Sequence[str], seed: int) -> set[str]:
    """Whole speakers in random order, two at least, with `MOST_CLIPS` clips together at most."""
    sizes = Counter(speaker_of_clips)
    order = np.random.default_rng(seed).permutation(sorted(sizes)).tolist()
    reached = np.cumsum([sizes[name] for name in order])
    return set(order[: max(2, int(np.searchsorted(reached, MOST_CLIPS, side="right")))])
