"""Names that were in ser_tl.evaluation before reports and comparisons had rooms of their own, for one version more."""

import pytest

import ser_tl.evaluation
from ser_tl import comparison, reporting, robustness


@pytest.mark.parametrize("name", ["Comparison", "read_runs", "with_model_size"])
def test_comparisons_are_found_where_they_were(name):
    assert getattr(ser_tl.evaluation, name) is getattr(comparison, name)


@pytest.mark.parametrize("name", ["confusion_picture", "dimensions_picture", "training_curves"])
def test_pictures_are_found_where_they_were(name):
    assert getattr(ser_tl.evaluation, name) is getattr(reporting.plots, name)
    assert ser_tl.reporting.plots is reporting.plots


@pytest.mark.parametrize(
    ("old", "new"), [("Agreement", "DimensionScores"), ("Fold", "FoldScores"), ("confusion", "confusion_matrix")]
)
def test_renamed_classes_and_functions_are_found_by_their_old_names(old, new):
    assert getattr(ser_tl.evaluation, old) is getattr(ser_tl.evaluation, new)


@pytest.mark.parametrize(
    ("room", "old", "new"),
    [
        (comparison, "Row", "ComparisonRow"),
        (comparison, "Pair", "PairedTest"),
        (robustness, "Row", "ChangeRow"),
        (reporting.plots, "travel_picture", "plot_weight_change"),
    ],
)
def test_other_rooms_keep_their_old_names_as_well(room, old, new):
    assert getattr(room, old) is getattr(room, new)


def test_other_names_are_not_there():
    with pytest.raises(AttributeError, match="has no attribute 'page'"):
        _ = ser_tl.evaluation.page
