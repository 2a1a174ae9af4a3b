"""What the folder of a report has, and that no picture is drawn twice."""

import pytest

from ser_tl.evaluation import Report
from ser_tl.reporting import draw_report, write_report, writing
from ser_tl.reporting.plots import choose_formats
from tests.evaluation.samples import certain


@pytest.fixture
def drawings(monkeypatch):
    """The names of the pictures that are drawn, and a drawing for each that takes no time."""
    names = []

    def draw(name):
        def write(report, path):
            names.append(name)
            for form in ("png", *writing.FORMATS):
                path.with_suffix(f".{form}").write_text(f"{name} {form} {len(names)}")

        return write

    monkeypatch.setattr(writing, "_PICTURES", {name: draw(name) for name in writing._PICTURES})
    yield names
    choose_formats([])


@pytest.fixture
def report():
    return Report.of(certain(["a", "b", "a"], ["a", "b", "b"], ["a", "b"]))


@pytest.mark.parametrize("formats", [[], ["svg", "pdf"]])
def test_pictures_that_are_there_are_copied_in_all_formats(drawings, report, tmp_path, formats):
    choose_formats(formats)
    (tmp_path / "card").mkdir()
    draw_report(report, tmp_path / "card")
    assert drawings == ["confusion", "reliability"]
    write_report(report, tmp_path / "run", pictures=tmp_path / "card")
    assert drawings == ["confusion", "reliability"]
    for form in ("png", *formats):
        for name in drawings:
            file = f"{name}.{form}"
            assert (tmp_path / "run" / file).read_bytes() == (tmp_path / "card" / file).read_bytes()


def test_what_a_folder_lacks_is_drawn(drawings, report, tmp_path):
    (tmp_path / "card").mkdir()
    draw_report(report, tmp_path / "card")
    (tmp_path / "card" / "confusion.png").unlink()
    write_report(report, tmp_path / "run", pictures=tmp_path / "card")
    assert drawings == ["confusion", "reliability", "confusion"]
    choose_formats(["svg"])
    write_report(report, tmp_path / "other", pictures=tmp_path / "card")  # which has none of them as SVG
    assert drawings[3:] == ["confusion", "reliability"]
