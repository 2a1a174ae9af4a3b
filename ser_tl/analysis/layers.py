"""Which layers of an encoder carry emotion: a linear probe on each.

    states (L, B, T, D) --mean and deviation over speech--> (n, 2D) a layer --discriminant, by speaker--> Report a layer

The probe is the discriminant of `ser_tl.modules.discriminant`, fitted on some speakers and tested on others, so a layer
that separates speakers and not emotions gains nothing. It reads layers alone; the output of a trained head
together may be better.
"""

import numpy as np
import torch
from datasets import Dataset

from ser_tl.analysis.embedding import collect_by_utterance
from ser_tl.data import schema
from ser_tl.data.batching import Batch
from ser_tl.data.splits import SplitConfig, make_splits
from ser_tl.evaluation import Predictions, Report
from ser_tl.inference.moments import clip_statistics
from ser_tl.model import EmotionModel
from ser_tl.modules.discriminant import fit_discriminant
from ser_tl.modules.feature_norm import NormTable
from ser_tl.training.train_config import TrainConfig


def probe_layers(
    model: EmotionModel, corpus: Dataset, config: TrainConfig | None = None, *, folds: int = 5, seed: int = 0
) -> dict[str, Report]:
    """What a linear probe reaches on each layer that the model uses, over all speakers of a corpus.

    Args:
        model: whose encoder is probed; its head and pooling aren't used
        corpus: rows with the columns of `data.schema`, whose emotions are the model's labels, if it has any
        config: as for `embed`
        folds: groups of speakers, each tested by a probe fitted on the others
        seed: deals the speakers to the groups

    Returns:
        Layer to the report on all utterances, each tested by a probe that wasn't fitted on its speaker; input side
        first.

    Raises:
        SplitError: fewer speakers than folds
        ConfigError: an emotion that one group of speakers alone has
    """

    def statistics(batch: Batch, _: NormTable | None) -> torch.Tensor:
        return clip_statistics(model, batch).transpose(0, 1)  # (B, L, 2D)

    pooled = torch.from_numpy(collect_by_utterance(model, corpus, statistics, config))
    splits = make_splits(corpus, "kfold", SplitConfig(k=folds), seed=seed)
    row_of = {name: row for row, name in enumerate(corpus["id"][:])}
    emotions = model.labels or schema.emotions(corpus)
    labels = torch.tensor([emotions.index(emotion) for emotion in corpus["emotion"][:]])
    speakers = corpus["speaker"][:]
    probabilities = np.zeros((pooled.shape[1], len(corpus), len(emotions)))
    for split in splits:
        inside = [row_of[name] for name in (*split.train["id"][:], *split.dev["id"][:])]
        outside = [row_of[name] for name in split.test["id"][:]]
        for layer in range(pooled.shape[1]):
            rows = pooled[:, layer]
            who = [speakers[row] for row in inside]
            probe = fit_discriminant(rows[inside], labels[inside], who, len(emotions)).discriminant
            probabilities[layer, outside] = probe(rows[outside]).softmax(dim=-1).detach().numpy()
    return {
        name: Report.of(
            Predictions(corpus["id"][:], speakers, corpus["emotion"][:], predicted, emotions),
            title=f"linear probe of {model.encoder_name}, {name}",
        )
        for name, predicted in zip(layer_names(model), probabilities, strict=True)
    }


def layer_names(model: EmotionModel) -> list[str]:
    """The block that makes each state that a model uses; the encoder's own name where it has no blocks."""
    below = [model.encoder.blocks_below(layer) for layer in model.layers]
    return [blocks[-1].name if blocks else model.encoder_name for blocks in below]
