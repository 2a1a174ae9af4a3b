"""What a model says about a corpus, computed by all processes together.

    corpus -> windows -> batches dealt to the processes -> probabilities, dimensions -> mean of each utterance's windows
    -> Predictions

Every clip goes through exactly one process and nothing is repeated to fill a last batch, so any number of processes
gives the same figures.
"""

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from datasets import Dataset

from ser_tl.data.batching import Clips, by_utterance, plan_batches
from ser_tl.data.dimensions import annotations
from ser_tl.evaluation import Predictions, Ratings
from ser_tl.losses import cross_entropy
from ser_tl.model import EmotionModel
from ser_tl.training.config import TrainConfig
from ser_tl.training.processes import own_batches


@torch.no_grad()
def predict_corpus(
    model: EmotionModel, corpus: Dataset, clips: Clips, accelerator: Accelerator, config: TrainConfig
) -> tuple[Predictions, float]:
    """Every process calls it and gets the whole.

    Args:
        model: moved to the accelerator's device and put into evaluation mode
        corpus: rows with the columns of `data.schema`
        clips: all of the corpus, for evaluation
        accelerator: whose processes share the work, in its precision
        config: batch size and workers

    Returns:
        The predictions in the corpus' order, and the mean cross-entropy over the windows; zero without emotions.
    """
    plan = plan_batches(clips.seconds, config.batch_seconds, processes=accelerator.num_processes)
    model.to(accelerator.device).eval()
    found: list[tuple[str, list[float], float]] = []  # id, probabilities and then dimensions, cross-entropy
    for batch in own_batches(clips, plan, accelerator, config.workers):
        with accelerator.autocast():
            output = model(batch)
        logits = output.logits.float()
        losses = cross_entropy(logits, batch.labels) if model.labels else logits.new_zeros(len(logits))
        values = torch.cat(
            [logits.softmax(dim=-1), *([] if output.dimensions is None else [output.dimensions])], dim=-1
        )
        found += zip(batch.ids, values.tolist(), losses.tolist(), strict=True)
    # Objects rather than tensors: processes have different numbers of clips, perhaps none.
    found = gather_object(found)
    names, means = by_utterance([name for name, _, _ in found], np.array([row for _, row, _ in found]))
    place = {name: row for row, name in enumerate(names)}
    means = means[[place[name] for name in corpus["id"][:]]]
    probabilities, dimensions = means[:, : len(model.labels)], means[:, len(model.labels) :]
    ratings = Ratings(model.dimensions, annotations(corpus, model.dimensions), dimensions) if model.dimensions else None
    predictions = Predictions(
        ids=corpus["id"][:],
        speakers=corpus["speaker"][:],
        references=corpus["emotion"][:],
        probabilities=probabilities,
        labels=model.labels,
        ratings=ratings,
    )
    return predictions, sum(loss for _, _, loss in found) / len(found)
