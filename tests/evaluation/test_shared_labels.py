"""Answers restricted to the emotions of a test set."""

import numpy as np
import pytest

from ser_tl.errors import ConfigError
from ser_tl.evaluation import Predictions
from ser_tl.evaluation.shared_labels import measure_absent, restrict_answers


def predictions(**changes):
    rows = np.array([[0.5, 0.2, 0.3], [0.1, 0.6, 0.3], [1.0, 0.0, 0.0]])
    usual = {"ids": ["x", "y", "z"], "speakers": ["a", "b", "b"], "references": ["calm", "fear", "fear"]}
    return Predictions(**(usual | {"probabilities": rows, "labels": ["anger", "calm", "fear"]} | changes))


def test_probabilities_are_divided_by_their_sum_over_the_shared_ones():
    restricted = restrict_answers(predictions(), ["fear", "calm"])
    assert restricted.labels == ["calm", "fear"]
    np.testing.assert_allclose(restricted.probabilities, [[0.4, 0.6], [2 / 3, 1 / 3], [0.5, 0.5]])
    assert restricted.predictions == ["fear", "calm", "calm"]


def test_sets_whose_coverage_was_measured_with_all_classes_are_left_out():
    sets = np.ones((3, 3), dtype=bool)
    restricted = restrict_answers(predictions(sets=sets, coverage=0.9), ["calm", "fear"])
    assert (restricted.sets, restricted.coverage) == (None, None)


def test_answers_that_the_test_set_does_not_have_are_counted():
    assert measure_absent(predictions()) == (["anger"], 2 / 3)
    assert measure_absent(predictions(references=["anger", "calm", "fear"])) == ([], 0.0)


def test_labels_of_another_model_are_refused():
    with pytest.raises(ConfigError, match=r"joy can't be answered: the model has anger"):
        restrict_answers(predictions(), ["joy", "fear"])
