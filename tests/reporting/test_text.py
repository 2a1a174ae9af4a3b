import pytest

from ser_tl.evaluation import Report
from ser_tl.reporting.text import markdown, percent
from tests.evaluation.samples import certain, sample


@pytest.mark.parametrize(
    ("fraction", "shown"), [(0.71249, "71.2"), (1, "100.0"), (0, "0.0"), (-0.0004, "0.0"), (None, "\N{EN DASH}")]
)
def test_percent_has_one_decimal(fraction, shown):
    assert percent(fraction) == shown


def test_the_terminal_text_has_headline_interval_and_a_row_a_class():
    report = Report.of(sample(without=["sadness"]), title="my corpus", notes=["2 files skipped"])
    lines = str(report).splitlines()
    assert lines[0] == "my corpus"
    assert lines[1].startswith(f"UAR {percent(report.uar)} % (95 % interval {percent(report.interval.low)} to ")
    assert "5 speakers" in lines[1]
    assert "UAR: unweighted average recall" in lines[3]
    rows = {line.split()[0]: line.split()[1:] for line in lines[5:9]}
    assert list(rows) == ["class", "anger", "neutral", "sadness"]
    assert rows["anger"][0] == percent(report.per_class["anger"]["recall"])
    assert rows["sadness"] == ["\N{EN DASH}", "0.0", "0.0", "0"]
    assert lines[-1] == "note: 2 files skipped"


def test_one_speaker_is_given_as_the_reason_for_no_interval():
    report = Report.of(sample(speakers=1))
    for text in (str(report), markdown(report)):
        assert "no interval: it would be over speakers, and the test set has one only" in text
    assert report.as_json()["interval"] is None


def test_markdown_says_pooled_and_mean_over_folds():
    report = Report.over_folds({name: Report.of(sample(prefix=name, seed=len(name))) for name in ("one", "three")})
    mean = report.folds_mean["uar"]
    for text in (markdown(report), str(report)):
        assert "pooled over 2 folds" in text
        assert f"over 2 folds: UAR {percent(mean['mean'])} ± {percent(mean['std'])} %" in text
    assert f"| three | {percent(report.folds['three'].scores.uar)} |" in markdown(report)


def test_markdown_escapes_what_would_break_a_table_and_shows_no_nan():
    report = Report.of(
        certain(["a|b", "a|b"], ["a|b", "c"], ["a|b", "c"], speakers=["s|1", "s\n2"]), facts={"lr": 1e-4, "who": "a|b"}
    )
    text = markdown(report)
    assert "| a\\|b | 50.0 | 100.0 | 66.7 | 2 |" in text
    assert "| c | \N{EN DASH} | 0.0 | 0.0 | 0 |" in text
    assert "| lr | 0.0001 |" in text
    assert "nan" not in text.lower()
    for block in text.split("\n\n"):  # every row of a table has as many cells as its header
        rows = [line.replace("\\|", "") for line in block.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1


def test_the_hardest_speakers_come_first_and_a_cut_is_said():
    report = Report.of(sample(200, 25))
    table = markdown(report).split("## Speakers")[1]
    hardest = min(report.per_speaker.items(), key=lambda item: (item[1]["uar"], item[0]))[0]
    assert table.split("---: |\n")[1].startswith(f"| {hardest} |")
    assert "The 20 hardest of 25" in table
    assert "hardest of" not in markdown(Report.of(sample(200, 20)))
