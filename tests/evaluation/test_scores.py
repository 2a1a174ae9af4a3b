import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.metrics import accuracy_score, f1_score, recall_score

from ser_tl.errors import ConfigError
from ser_tl.evaluation import Scores, confusion_matrix, mean_recall
from ser_tl.evaluation.scores import confusion_by_group

LABELS = ["anger", "fear", "neutral", "sadness"]
pairs = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=30)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(pairs)
def test_scores_are_those_of_scikit_learn(drawn):
    references, predictions = (list(side) for side in zip(*drawn, strict=True))
    counts = confusion_matrix(references, predictions, LABELS)
    scores = Scores.from_confusion(counts)
    occurring = sorted(set(references))
    recall = recall_score(references, predictions, labels=occurring, average="macro", zero_division=0)
    assert counts.tolist() == metrics.confusion_matrix(references, predictions, labels=LABELS).tolist()
    assert scores.uar == pytest.approx(recall)
    assert scores.war == pytest.approx(accuracy_score(references, predictions))
    assert scores.macro_f1 == pytest.approx(f1_score(references, predictions, average="macro", zero_division=0))
    assert scores.weighted_f1 == pytest.approx(f1_score(references, predictions, average="weighted", zero_division=0))


def test_a_class_that_is_only_predicted_has_no_recall_rather_than_zero():
    scores = Scores.from_confusion(confusion_matrix(["anger", "anger", "fear"], ["anger", "neutral", "fear"], LABELS))
    assert scores.uar == pytest.approx(0.75)  # with neutral as zero it would be 0.5
    assert scores.macro_f1 == pytest.approx((2 / 3 + 1 + 0) / 3)  # but it has an F1


def test_rows_are_references():
    assert confusion_matrix(["anger"], ["fear"], ["anger", "fear"]).tolist() == [[0, 1], [0, 0]]


def test_integer_labels_of_numpy_are_labels():
    assert confusion_matrix(np.array([3, 3, 7]), np.array([3, 7, 7]), [3, 7]).tolist() == [[1, 1], [0, 1]]


def test_many_matrices_are_scored_as_each_alone():
    counts = np.random.default_rng(0).integers(0, 3, size=(2, 5, 4, 4))
    assert mean_recall(counts).shape == (2, 5)
    assert mean_recall(counts)[1, 3] == pytest.approx(Scores.from_confusion(counts[1, 3]).uar)


def test_groups_are_sorted_and_add_up():
    groups, references, predictions = ["b", "a", "b"], ["anger", "fear", "fear"], ["anger", "fear", "anger"]
    names, counts = confusion_by_group(groups, references, predictions, LABELS)
    assert names == ["a", "b"]
    assert counts[0].tolist() == confusion_matrix(["fear"], ["fear"], LABELS).tolist()
    assert counts.sum(axis=0).tolist() == confusion_matrix(references, predictions, LABELS).tolist()


@pytest.mark.parametrize(
    ("references", "predictions", "labels", "found"),
    [
        (["anger"], ["anger", "fear"], LABELS, "1 references, 2 predictions"),
        (["joy"], ["anger"], LABELS, "'joy'"),
        (["anger"], ["joy"], LABELS, "'joy'"),
        (["anger"], ["anger"], ["anger", "anger"], "twice"),
    ],
)
def test_labels_that_do_not_fit_are_refused(references, predictions, labels, found):
    with pytest.raises(ConfigError, match=found):
        confusion_matrix(references, predictions, labels)


def test_nothing_to_score_is_an_error_rather_than_nan():
    with pytest.raises(ConfigError, match="no utterance"):
        Scores.from_confusion(np.zeros((3, 3), dtype=int))
    with pytest.raises(ConfigError, match="2 groups for 1 references"):
        confusion_by_group(["a", "b"], ["anger"], ["anger"], LABELS)
