"""A model's predictions for a corpus.

corpus -> windows -> probabilities, dimensions -> mean of each utterance's windows -> Predictions
"""

from typing import NamedTuple

import torch
from datasets import Dataset
from torch import Tensor

from ser_tl.data.batching import Batch, Clips, UtteranceDataset
from ser_tl.data.dimensions import read_annotations
from ser_tl.evaluation import Predictions, Ratings
from ser_tl.inference.clips import Pass, collect_clips, forward_batch
from ser_tl.inference.speaker_norm import check_norms, measure_norms
from ser_tl.model import EmotionModel
from ser_tl.modules.feature_norm import NormTable
from ser_tl.modules.losses import cross_entropy


class ScoringResult(NamedTuple):
    """Predictions for a corpus, and their loss.

    Attributes:
        predictions: in the corpus' order
        loss: mean cross-entropy over the windows; zero without emotions
    """

    predictions: Predictions
    loss: float


def score_clips(
    model: EmotionModel, corpus: Dataset, clips: Clips, how: Pass, norms: NormTable | None = None
) -> ScoringResult:
    """Predicts all clips of a corpus. Every process calls it and gets the whole.

    Args:
        model: moved to the processes' device
        corpus: rows with the columns of `data.schema`
        clips: all of the corpus, for evaluation
        how: the processes, and the size of batches
        norms: of the speakers or corpora that the clips are of
    """
    model.to(how.processes.device)

    def values(batch: Batch) -> Tensor:  # (B, C + K + 1): probabilities, dimensions, cross-entropy
        output = forward_batch(model, batch, norms)
        logits = output.logits.float()
        loss = cross_entropy(logits, batch.labels) if model.labels else logits.new_zeros(len(logits))
        dimensions = [] if output.dimensions is None else [output.dimensions]
        return torch.cat([model.probabilities(output), *dimensions, loss[:, None]], dim=-1).double()

    collected = collect_clips([model], clips, values, how)
    loss = sum(collected.values[:, -1].tolist()) / len(collected.values)
    means = collected._replace(values=collected.values[:, :-1]).by_utterance(corpus["id"][:])
    probabilities, dimensions = means[:, : len(model.labels)], means[:, len(model.labels) :]
    ratings = (
        Ratings(model.dimensions, read_annotations(corpus, model.dimensions), dimensions) if model.dimensions else None
    )
    predictions = Predictions(
        ids=corpus["id"][:],
        speakers=corpus["speaker"][:],
        references=corpus["emotion"][:],
        probabilities=probabilities,
        labels=model.labels,
        ratings=ratings,
    )
    return ScoringResult(predictions, loss)


def norm_domain(model: EmotionModel) -> str | None:
    """The column whose statistics a model normalises by; None where they are the training speech's."""
    return None if model.config.statistics == "training" else model.config.statistics


def evaluation_clips(model: EmotionModel, corpus: Dataset) -> UtteranceDataset:
    """A corpus' clips as the model is evaluated on them: long ones in windows."""
    return UtteranceDataset(
        corpus,
        model.labels,
        model.audio,
        training=False,
        domain=norm_domain(model),
        dimensions=model.dimensions,
    )


def corpus_norms(model: EmotionModel, corpus: Dataset, clips: Clips, how: Pass) -> NormTable | None:
    """The statistics of a corpus' own speakers, for a model that normalises by them; None for one that doesn't.

    Raises:
        ConfigError: too few utterances of a speaker
    """
    domain = norm_domain(model)
    if domain is None:
        return None
    check_norms(domain, corpus[domain][:], *([1] if model.enrolment is not None else []))
    model.to(how.processes.device)
    return measure_norms(model, [clips], how)
