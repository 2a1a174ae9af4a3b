"""The figures of a test set, all from its confusion matrix.

    references, predictions --confusion_matrix()--> counts (C, C)
    counts --Scores.from_confusion()--> UAR, WAR, macro F1, weighted F1

Rows are references, columns predictions. C is the number of classes of a pinned label list, so what a figure averages
over is decided here, not by what happens to occur:

- UAR, the unweighted average recall: over the classes that occur in the references. The recall of any other class is
  0 / 0, not 0, also where the model predicted it. This is scikit-learn's balanced_accuracy_score, and not its
  recall_score(average="macro"), which counts a class that was only predicted as zero.
- WAR, the weighted average recall: weighted by the classes' sizes, it is the accuracy.
- macro F1: over the classes that occur in references or predictions; one that was only predicted counts as zero.
- weighted F1: weighted by the classes' sizes in the references.

Independent of models, corpora and files.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ser_tl.errors import ConfigError, listing

Label = str | int


def confusion_matrix(references: Sequence[Label], predictions: Sequence[Label], labels: Sequence[Label]) -> np.ndarray:
    """How often each class was taken for each other.

    Args:
        references: the true label of each utterance
        predictions: the predicted label of each utterance
        labels: the classes, in the order of rows and columns

    Returns:
        counts (C, C), row: reference, column: prediction

    Raises:
        ConfigError: the lengths differ, a class stands in `labels` twice, or a label isn't among them
    """
    rows, columns = _index_labels(references, predictions, labels)
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(counts, (rows, columns), 1)
    return counts


def confusion_by_group(
    groups: Sequence[str], references: Sequence[Label], predictions: Sequence[Label], labels: Sequence[Label]
) -> tuple[list[str], np.ndarray]:
    """One confusion matrix for each group of utterances, most often for each speaker.

    Args:
        groups: the group of each utterance
        references: the true label of each utterance
        predictions: the predicted label of each utterance
        labels: the classes, in the order of rows and columns

    Returns:
        the S groups' names, sorted, and counts (S, C, C) in that order

    Raises:
        ConfigError: as for `confusion_matrix`
    """
    if len(groups) != len(references):
        raise ConfigError(f"{len(groups)} groups for {len(references)} references: give one for each utterance")
    rows, columns = _index_labels(references, predictions, labels)
    names = sorted(set(groups))
    position = {name: index for index, name in enumerate(names)}
    counts = np.zeros((len(names), len(labels), len(labels)), dtype=np.int64)
    np.add.at(counts, (np.array([position[group] for group in groups], dtype=np.intp), rows, columns), 1)
    return names, counts


def _index_labels(
    references: Sequence[Label], predictions: Sequence[Label], labels: Sequence[Label]
) -> tuple[np.ndarray, np.ndarray]:
    if len(references) != len(predictions):
        raise ConfigError(f"{len(references)} references, {len(predictions)} predictions: give one for each utterance")
    position = {label: index for index, label in enumerate(labels)}
    if len(position) != len(labels):
        raise ConfigError(f"a class stands in the label list twice, name each once: {', '.join(map(str, labels))}")
    unknown = sorted({repr(label) for label in (*references, *predictions) if label not in position})
    if unknown:
        raise ConfigError(
            f"{len(unknown)} labels aren't in the label list ({', '.join(map(repr, labels))}): add them to it, or "
            f"leave their utterances out\n{listing(unknown)}"
        )
    rows = np.array([position[label] for label in references], dtype=np.intp)
    columns = np.array([position[label] for label in predictions], dtype=np.intp)
    return rows, columns


def mean_recall(counts: np.ndarray) -> np.ndarray:
    """The UAR of one or many confusion matrices, as fractions; NaN for a matrix without a count.

    Shape:
        counts (..., C, C) -> (...)
    """
    support = counts.sum(axis=-1)
    recall = np.diagonal(counts, axis1=-2, axis2=-1) / np.maximum(support, 1)  # zero where a class doesn't occur
    occurring = (support > 0).sum(axis=-1)
    return np.where(occurring > 0, recall.sum(axis=-1) / np.maximum(occurring, 1), np.nan)


@dataclass(frozen=True)
class Scores:
    """The four headline figures, as fractions between 0 and 1. What each averages over: see the module.

    Args:
        uar: unweighted average recall
        war: weighted average recall, the accuracy
        macro_f1: mean F1 over the classes
        weighted_f1: mean F1 over the classes, weighted by their sizes
    """

    uar: float
    war: float
    macro_f1: float
    weighted_f1: float

    @classmethod
    def from_confusion(cls, counts: np.ndarray) -> "Scores":
        """The figures of a confusion matrix, counts (C, C).

        Raises:
            ConfigError: the matrix is empty, so no figure is defined
        """
        total = counts.sum()
        if total == 0:
            raise ConfigError("no utterance to score: the confusion matrix is empty. Give at least one prediction")
        hits, support = np.diagonal(counts), counts.sum(axis=1)
        either = support + counts.sum(axis=0)  # F1 = 2 TP / (references + predictions)
        f1 = 2 * hits / np.maximum(either, 1)
        return cls(
            uar=float(mean_recall(counts)),
            war=float(hits.sum() / total),
            macro_f1=float(f1[either > 0].mean()),
            weighted_f1=float((f1 * support).sum() / total),
        )
