"""A model on a test set with other emotions than its own: answers among the shared ones, or how many are not.

    Predictions --restrict_answers--> the same utterances, answered among the emotions that the test set has
                --measure_absent--> share of answers that are an emotion of no test utterance

A model of eight emotions answers "calm" on a corpus that has none, and each such answer is an error by construction.
Whether it should be allowed to is a question of use: where only the test set's emotions occur, it needn't.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ser_tl.errors import ConfigError
from ser_tl.evaluation.predictions import Predictions


def restrict_answers(predictions: Predictions, labels: Sequence[str]) -> Predictions:
    """The predictions among some of the classes, probabilities divided by their sum over these.

    Prediction sets are left out: their coverage was measured with all classes.

    Args:
        predictions: of a test set whose references are among `labels`
        labels: the classes that may be answered, of the model's

    Raises:
        ConfigError: labels that the predictions don't have
    """
    unknown = sorted(set(labels) - set(predictions.labels))
    if unknown:
        raise ConfigError(f"{', '.join(unknown)} can't be answered: the model has {', '.join(predictions.labels)}")
    columns = [index for index, label in enumerate(predictions.labels) if label in set(labels)]
    chosen = predictions.probabilities[:, columns].astype(np.float64)
    total = chosen.sum(axis=1, keepdims=True)
    even = np.full_like(chosen, 1.0 / len(columns))  # where all that is left has underflown
    return replace(
        predictions,
        probabilities=np.where(total > 0, chosen / np.where(total > 0, total, 1.0), even),
        labels=[predictions.labels[index] for index in columns],
        sets=None,
        coverage=None,
    )


def measure_absent(predictions: Predictions) -> tuple[list[str], float]:
    """The classes that no test utterance has, and the share of answers that are one of them."""
    absent = sorted(set(predictions.labels) - set(predictions.references))
    answers = predictions.predictions
    return absent, sum(answer in absent for answer in answers) / len(answers)
