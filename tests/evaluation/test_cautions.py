"""Small data told honestly, in console, report and card."""

import json

import pytest

from ser_tl.card import write_card
from ser_tl.comparison import Comparison
from ser_tl.data.speakers import UNKNOWN
from ser_tl.data.split import describe_shared
from ser_tl.evaluation import Predictions, Ratings, Report
from ser_tl.reporting.text import markdown

from .samples import certain, sample


def told(report, folder):
    """What console, report.md, report.json and card say."""
    (folder / "config.json").write_text(
        json.dumps({"labels": report.predictions.labels, "pooling": "mean", "encoder": {"name": "x", "family": "mfcc"}})
    )
    card = write_card(folder, report=report, options={"protocol": "clips"}).read_text()
    return [str(report), markdown(report), json.dumps(report.as_json(), ensure_ascii=False), card]


def small(counts, speakers):
    """Predictions, all right, of so many clips of each class by so many speakers."""
    references = [name for name, count in counts.items() for _ in range(count)]
    return certain(
        references,
        references,
        labels=list(counts),
        speakers=[f"s{place % speakers}" for place in range(len(references))],
    )


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_class_of_few_clips_is_told_everywhere(tmp_path, count):
    report = Report.of(small({"anger": 40, "fear": count, "calm": 12}, 12))
    assert len(report.cautions) == 1
    for text in told(report, tmp_path):
        assert f"Fewer than 5 test clips of fear ({count}): one clip more or less" in text
        assert "calm (" not in text


def test_a_class_without_clips_is_told_to_be_undefined():
    assert "joy (0)" in Report.of(small({"anger": 30, "joy": 0}, 10)).cautions[0]
    assert "of none, recall is undefined" in Report.of(small({"anger": 30, "joy": 0}, 10)).cautions[0]


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
@pytest.mark.parametrize(
    ("speakers", "said"), [(1, "One test speaker: "), (2, "2 test speakers: "), (9, "9 test speakers: ")]
)
def test_few_speakers_are_told_everywhere(tmp_path, speakers, said):
    report = Report.of(small({"anger": 30, "fear": 30}, speakers))
    for text in told(report, tmp_path):
        assert said in text


def test_enough_is_enough():
    assert Report.of(small({"anger": 5, "fear": 30}, 10)).cautions == []


def test_few_speakers_of_dimensions_alone_are_told_too():
    table = [[float(place)] for place in range(12)]
    names = [f"u{place}" for place in range(12)]
    speakers = ["a", "b", "c"] * 4
    ratings = Ratings(["arousal"], table, table)
    report = Report.of(Predictions(names, speakers, [""] * 12, [[]] * 12, [], ratings))
    assert len(report.cautions) == 1
    assert report.cautions[0].startswith("3 test speakers: ")
    assert report.cautions[0] in str(report)


def test_pooled_folds_are_told_what_holds_for_the_pool_and_shared_notes_once():
    parts = {
        name: Report.of(sample(60, 6, prefix=name), notes=["compared for copies", f"{name} files"])
        for name in ("one", "two")
    }
    assert all(report.cautions for report in parts.values())
    pooled = Report.over_folds(parts)
    assert pooled.cautions == []
    assert pooled.notes == ["compared for copies", "one: one files", "two: two files"]


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
def test_saved_cautions_are_not_doubled(tmp_path):
    report = Report.of(small({"anger": 30, "fear": 2}, 3), notes=["a note"])
    report.save(tmp_path)
    back = Report.load(tmp_path)
    assert back.cautions == report.cautions
    assert back.notes == ["a note"]
    assert str(back) == str(report)
    said = json.loads((tmp_path / "report.json").read_text())
    assert said["cautions"] == report.cautions


def test_a_comparison_tells_each_once():
    one, other = (Report.of(small({"anger": 30, "fear": 2}, 3)) for _ in range(2))
    notes = Comparison.of({"one": one, "other": other}).notes
    assert notes == one.cautions


@pytest.mark.slow
@pytest.mark.usefixtures("quick_pictures")
def test_unknown_speakers_are_marked_everywhere_and_have_no_interval(tmp_path):
    made = sample(60, 1)
    made = Predictions(made.ids, [UNKNOWN] * 60, made.references, made.probabilities, made.labels)
    note = describe_shared([UNKNOWN], [UNKNOWN])
    report = Report.of(made, title="x (NOT speaker-independent)", notes=[note], facts={"speaker_independent": False})
    report.save(tmp_path)
    console, page, data, card = told(report, tmp_path)
    assert report.interval is None
    for text in (console, page, card):
        assert "no interval: it would be over speakers, and the speakers are unknown" in text
        assert "NOT speaker-independent: the speakers " in text
        assert "The speaker of 60 of 60 test clips is unknown" in text
    assert console.startswith("x (NOT speaker-independent)")
    assert "60 utterances, unknown speakers" in console
    assert json.loads(data)["facts"]["speaker_independent"] is False
    assert "> **NOT speaker-independent**" in card
    assert "no test speaker was used" not in card
    assert "protocol clips (clips held out in turn, speakers mixed)" in card
    assert "UAR (recall, mean over classes), NOT speaker-independent" in card
