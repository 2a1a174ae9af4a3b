"""The page of a comparison: whole, alone, and safe with any name."""

import base64
import re
from html.parser import HTMLParser

import pytest

from ser_tl.comparison import Comparison
from ser_tl.errors import ConfigError
from tests.comparison.test_comparison import report

COST = {"trainable_parameters": 10_000, "parameters": 4_000_000, "training_seconds": 90.0, "peak_memory_mib": 900}


class Reader(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def read(comparison, tmp_path):
    comparison.save(tmp_path)
    text = (tmp_path / "comparison.html").read_text("utf-8")
    reader = Reader()
    reader.feed(text)
    return text, reader


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    reports = {'<b>&"it\'s"': report(0.8, seed=1, facts=COST), "$other": report(0.5, facts=COST)}
    return read(Comparison.of(reports, title="a < b"), tmp_path_factory.mktemp("page"))


@pytest.mark.slow
def test_nothing_is_fetched_and_nothing_runs(alone):
    text, reader = alone
    assert "//" not in re.sub(r'src="data:[^"]*"', "", text)
    links = [
        value for _, own in reader.tags for name, value in own.items() if name in ("src", "href", "action", "srcset")
    ]
    assert len(links) == 4
    assert all(link.startswith("data:") for link in links)
    assert "url(" not in text
    assert "@import" not in text
    assert not {tag for tag, _ in reader.tags} & {"script", "iframe", "object", "embed"}


@pytest.mark.slow
def test_pictures_are_whole(alone):
    pictures = [own["src"] for tag, own in alone[1].tags if tag == "img"]
    assert [own["width"] for tag, own in alone[1].tags if tag == "img"][:2] == ["720", "1008"]  # 7.5 and 10.5 inches
    assert len(pictures) == 3
    for picture in pictures:
        data = base64.b64decode(picture.partition("base64,")[2], validate=True)
        assert data.startswith(b"\x89PNG")
        assert b"IEND" in data[-12:]


def test_names_are_shown_and_never_markup(alone):
    text, reader = alone
    assert "<b>" not in text
    cells = "\n".join(reader.text)
    assert '<b>&"it\'s"' in cells
    assert "a < b" in cells
    assert "10.0 k" in cells
    assert "4.00 M" in cells
    assert "McNemar" in cells


@pytest.mark.exhaustive
@pytest.mark.slow
def test_several_seeds_have_a_deviation_and_no_mcnemar(tmp_path):
    reports = {"one": [report(0.7, seed=seed) for seed in (1, 2)], "other": [report(0.5, seed=seed) for seed in (3, 4)]}
    comparison = Comparison.of(reports)
    first, second = comparison.rows
    each = [own.uar for own in reports["one"]]
    assert first.uar == pytest.approx(sum(each) / 2)
    assert first.deviation == pytest.approx(abs(each[0] - each[1]) / 2**0.5)
    assert first.low < first.uar < first.high
    assert second.p is None
    assert second.difference_low <= second.difference <= second.difference_high
    assert f"{100 * first.uar:.1f} ± {100 * first.deviation:.1f}" in str(comparison)
    assert "sample deviation" in "".join(read(comparison, tmp_path)[1].text)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_other_clips_stand_in_one_table_with_a_note_and_without_tests(tmp_path):
    reports = {"whole": report(0.9), "half": report(0.6, seed=2), "short": report(0.5, drop=3)}
    with pytest.raises(ConfigError, match="different utterances"):
        Comparison.of(reports)
    comparison = Comparison.of(reports, mixed=True)
    assert all(row.difference is None and row.p is None for row in comparison.rows)
    assert [(pair.first, pair.second) for pair in comparison.pairs] == [("whole", "half")]
    assert "short: 93 utterances, 3 of the best system's not among them" in comparison.notes[0]
    assert "note: Not all systems were tested on the same clips" in str(comparison)
    text, reader = read(comparison, tmp_path)
    assert "Not all systems were tested on the same clips" in "".join(reader.text)
    assert 'class="best"' not in text


def test_few_speakers_are_warned_of():
    (note,) = Comparison.of({"one": report(0.9, speakers=2), "other": report(0.5, speakers=2)}).notes
    assert note.startswith("2 test speakers: intervals over fewer than 10 come out too narrow")
    assert Comparison.of({"one": report(0.9, speakers=10)}).notes == []


def test_a_note_names_those_who_have_it(tmp_path):
    one = report(0.9, speakers=10)
    one.notes.extend(["left out: 2 files", "all of them"])
    other = report(0.5, speakers=10)
    other.notes.append("all of them")
    assert Comparison.of({"one": one, "other": other}).notes == ["one: left out: 2 files", "all of them"]
