"""Systems side by side: the order, the paired intervals, and what can't be compared."""

import csv

import numpy as np
import pytest

from ser_tl.comparison import Comparison
from ser_tl.errors import ConfigError
from ser_tl.evaluation import Predictions, Report
from ser_tl.evaluation.bootstrap import paired_interval, speaker_interval

LABELS = ["anger", "fear", "joy"]


def report(accuracy, *, seed=0, speakers=8, facts=None, drop=0) -> Report:
    """Twelve utterances a speaker, hard for some speakers and easy for others, whatever the system."""
    draw, common = np.random.default_rng(seed), np.random.default_rng(99)
    references = [LABELS[number % 3] for number in range(12 * speakers)]
    ease = np.repeat(common.uniform(-0.3, 0.3, speakers), 12)
    right = draw.uniform(size=len(references)) < accuracy + ease
    said = [
        label if hit else LABELS[(LABELS.index(label) + 1) % 3] for label, hit in zip(references, right, strict=True)
    ]
    probabilities = np.array([[0.8 if label == one else 0.1 for label in LABELS] for one in said])
    keep = slice(drop, None)
    predictions = Predictions(
        ids=[f"u{number}" for number in range(len(references))][keep],
        speakers=[f"s{number // 12}" for number in range(len(references))][keep],
        references=references[keep],
        probabilities=probabilities[keep],
        labels=LABELS,
    )
    return Report.of(predictions, facts=facts)


def test_the_best_system_comes_first_and_the_others_are_measured_against_it():
    reports = {"low": report(0.4), "high": report(0.8, seed=1), "middle": report(0.6, seed=2)}
    rows = Comparison.of(reports).rows
    assert [row.system for row in rows] == ["high", "middle", "low"]
    for row in rows:
        assert row.uar == reports[row.system].uar
        assert row.difference == pytest.approx(row.uar - rows[0].uar)
        assert (row.low, row.high) == (reports[row.system].interval.low, reports[row.system].interval.high)
    assert rows[0].difference_low is None
    assert rows[2].difference_low <= rows[2].difference <= rows[2].difference_high < 0


def counts(said: Report) -> np.ndarray:
    from ser_tl.evaluation.scores import confusion_by_group

    found = said.predictions
    return confusion_by_group(found.speakers, found.references, found.predictions, found.labels)[1]


def test_pairing_takes_out_what_is_hard_for_both():
    one, other = counts(report(0.6)), counts(report(0.62, seed=0))  # the same draws: nearly the same errors
    paired, alone = paired_interval(one, other), speaker_interval(one)
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)
    assert paired_interval(one, one).low == paired_interval(one, one).high == 0


def test_different_speakers_can_not_be_paired():
    with pytest.raises(ConfigError, match="same utterances of the same speakers"):
        paired_interval(counts(report(0.6)), counts(report(0.6, speakers=7)))


def test_parameters_and_minutes_come_from_the_facts_of_all_folds():
    facts = {"trainable_parameters": 1500, "parameters": 4_030_000, "training_seconds": 90.0}
    folds = {"a": report(0.5, facts=facts), "b": report(0.5, facts=facts | {"training_seconds": 30.0})}
    for name, fold in folds.items():
        fold.predictions.ids[:] = [f"{name}{number}" for number in fold.predictions.ids]
        fold.predictions.speakers[:] = [f"{name}{speaker}" for speaker in fold.predictions.speakers]
    pooled = Report.over_folds(folds)
    row = Comparison.of({"one": pooled}).rows[0]
    assert (row.trainable, row.parameters, row.minutes) == (1500, 4_030_000, 2.0)
    assert row.folds_mean == pytest.approx((folds["a"].uar + folds["b"].uar) / 2)
    single = Comparison.of({"one": report(0.5, facts=facts)}).rows[0]
    assert single.minutes == 1.5


def test_what_was_tested_on_other_utterances_is_refused_by_name():
    with pytest.raises(ConfigError, match=r"different utterances.*same corpus(.|\n)*short: 93 utterances, 3 of"):
        Comparison.of({"whole": report(0.9), "short": report(0.5, drop=3)})
    with pytest.raises(ConfigError, match="nothing to compare"):
        Comparison.of({})


@pytest.mark.slow
def test_a_saved_comparison_has_a_table_a_csv_and_a_picture(tmp_path):
    comparison = Comparison.of({"a | b": report(0.4), "$c": report(0.8)}, title="EMO-DB")
    comparison.save(tmp_path)
    text = (tmp_path / "comparison.md").read_text()
    assert text.startswith("# EMO-DB\n")
    assert "a \\| b" in text
    assert "| best |" in text
    assert "## Pairs on the same clips" in text
    with (tmp_path / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["system"] for row in rows] == ["$c", "a | b"]
    assert float(rows[0]["uar"]) == comparison.rows[0].uar
    assert (tmp_path / "comparison.png").stat().st_size > 5000
    assert "a | b" in str(comparison)
