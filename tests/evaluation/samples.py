"""A test set of a known kind: seeded probabilities that lean to the reference."""

import numpy as np

from ser_tl.evaluation import Predictions

LABELS = ["anger", "neutral", "sadness"]


def sample(utterances=60, speakers=5, *, seed=0, prefix="", labels=LABELS, without=()):
    """Predictions with every speaker saying about as much; classes in `without` never occur as references."""
    draw = np.random.default_rng(seed)
    references = draw.choice([label for label in labels if label not in without], utterances).tolist()
    logits = draw.normal(size=(utterances, len(labels)))
    logits[np.arange(utterances), [labels.index(name) for name in references]] += 1
    weights = np.exp(logits)
    return Predictions(
        ids=[f"{prefix}u{index}" for index in range(utterances)],
        speakers=[f"{prefix}s{index % speakers}" for index in range(utterances)],
        references=references,
        probabilities=(weights / weights.sum(axis=1, keepdims=True)).astype(np.float32),
        labels=list(labels),
    )


def certain(references, predictions, labels, speakers=None):
    """Predictions with all probability on one class, so that figures can be done by hand."""
    return Predictions(
        ids=[f"u{index}" for index in range(len(references))],
        speakers=speakers or ["s"] * len(references),
        references=references,
        probabilities=np.eye(len(labels))[[labels.index(name) for name in predictions]],
        labels=labels,
    )
