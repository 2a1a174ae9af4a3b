import csv

import numpy as np
import pytest

from ser_tl.errors import CheckpointError, ConfigError
from ser_tl.evaluation import Predictions

from .samples import LABELS, sample

GOOD = {
    "ids": ["a", "b"],
    "speakers": ["s", "t"],
    "references": ["anger", "sadness"],
    "probabilities": np.array([[0.5, 0.5], [0.1, 0.9]]),
    "labels": ["anger", "sadness"],
}


def test_the_prediction_is_the_most_probable_class_and_the_first_of_equals():
    assert Predictions(**GOOD).predictions == ["anger", "sadness"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"ids": []}, "found 0 utterances"),
        ({"speakers": ["s"]}, "2 ids, 1 speakers"),
        ({"probabilities": np.ones((2, 3)) / 3}, r"shape \(2, 3\)"),
        ({"probabilities": np.array([1.0, 0.0])}, r"shape \(2,\)"),
        ({"ids": ["a", "a"]}, "1 ids stand"),
        ({"labels": ["anger", "anger"]}, "1 classes stand"),
        ({"references": ["anger", "joy"]}, "joy: 1 utterances"),
        ({"probabilities": np.array([[0.5, 0.5], [np.nan, 0.9]])}, "b: "),
        ({"probabilities": np.array([[2.0, -1.0], [0.1, 0.9]])}, "a: "),
        ({"probabilities": np.array([[0.5, 0.5], [0.9, 0.9]])}, "softmax"),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_name(change, found):
    with pytest.raises(ConfigError, match=found):
        Predictions(**(GOOD | change))


def test_the_table_has_a_row_an_utterance_and_a_column_a_class(tmp_path):
    predictions = sample()
    predictions.save(tmp_path / "predictions.csv")
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "speaker", "reference", "prediction", "p_anger", "p_neutral", "p_sadness"]
    assert [row["prediction"] for row in rows] == predictions.predictions


def test_the_table_keeps_every_bit_and_odd_names(tmp_path):
    predictions = sample()
    object.__setattr__(predictions, "ids", ['a,"b"', "c\nd", *predictions.ids[2:]])
    predictions.save(tmp_path / "p.csv")
    back = Predictions.load(tmp_path / "p.csv")
    assert (back.ids, back.speakers, back.references) == (predictions.ids, predictions.speakers, predictions.references)
    assert back.labels == LABELS
    assert np.array_equal(back.probabilities.astype(np.float32), predictions.probabilities)


@pytest.mark.parametrize(
    "text", ["", "id,speaker\n", "a,b,c,d,e\n1,2,3,4,5\n", "id,speaker,reference,prediction,p_x\n1,2,x,x,?\n"]
)
def test_another_file_is_refused(tmp_path, text):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(CheckpointError, match="p_CLASS"):
        Predictions.load(tmp_path / "p.csv")
