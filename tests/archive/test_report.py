"""What a report counts is what the rows say, and its pages need nothing beside them but their clips."""

import csv
import json
import re
from collections import Counter

import numpy as np
import pytest
import soundfile

from ser_tl.archive import annotate, open_archive
from ser_tl.archive.drift import find_reference, measure_drift
from ser_tl.archive.report import NO_SPEECH, shorten_error, summarise
from ser_tl.archive.report_picture import merge_days, most_of
from ser_tl.cli import main
from ser_tl.errors import CheckpointError, ConfigError
from tests.archive.conftest import BAD, LABELS, RATE, read_rows, write_clip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def done(model, recordings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive") / "done"
    annotate(recordings, folder, model, workers=0, shard_clips=9, abstain_below=0.5)
    return folder


def test_counts_are_those_of_the_rows(done):
    report = summarise(open_archive(done), clips=7)
    rows = read_rows(done)
    good = [row for row in rows if not row["error"]]
    assert report.rows == len(rows)
    assert report.errors.total() == BAD
    assert report.label_counts == Counter(row["label"] or NO_SPEECH for row in good)
    assert report.abstained == sum(row["abstained"] for row in rows)
    assert report.confidence.sum() == sum(row["confidence"] is not None for row in rows)
    assert {name: counts.total() for name, counts in report.tables["folder"].items()} == Counter(
        row["id"].partition("/")[0] for row in good
    )
    days = Counter(row["id"].partition("/")[2][:10] for row in good if "2026" in row["id"])
    assert {day: counts.total() for day, counts in report.tables["day"].items() if day[0] == "2"} == days
    surest = sorted(row["confidence"] for row in rows if row["confidence"] is not None)
    assert [row.confidence for row in report.uncertain] == surest[:7]
    assert report.quality["silent"] == 1


def test_pages_and_clips(done, recordings, tmp_path, capsys):
    assert main(["archive-report", str(done), "--output", str(tmp_path / "r"), "--clips", "5"]) == 0
    assert "no reference to compare with" in capsys.readouterr().out
    page, listening = ((tmp_path / "r" / name).read_text() for name in ("index.html", "listening.html"))
    for text in (page, listening):
        assert "<script" not in text
        assert re.findall(r"(?:src|href)=\"(?!data:|clips/|listening\.html)", text) == []
    assert "recordings" in page
    assert (tmp_path / "r" / "archive.png").read_bytes().startswith(b"\x89PNG")
    files = re.findall(r'src="(clips/\d+\.flac)"', listening)
    assert len(files) == 5
    rows = {row["id"]: row for row in read_rows(done)}
    (first,) = re.findall(r'<td class="text long">([^<]+)</td></tr>', listening)[:1]
    samples, rate = soundfile.read(tmp_path / "r" / files[0])
    assert rate == RATE
    assert len(samples) / rate == pytest.approx(rows[first]["end"], abs=0.01)
    assert json.loads((tmp_path / "r" / "report.json").read_text())["rows"] == len(rows)


@pytest.mark.exhaustive
def test_parts_of_recordings_are_what_is_heard(model, tmp_path):
    path = write_clip(tmp_path / "in" / "<b>&.wav", 6.0)
    (tmp_path / "list.csv").write_text(f"id,path,start,end\npart,{path},1,5\n")
    annotate(tmp_path / "list.csv", tmp_path / "out", model, workers=0, segments=True)
    assert main(["archive-report", str(tmp_path / "out")]) == 0
    whole, _ = soundfile.read(path, dtype="float32")
    for row, file in zip(
        summarise(open_archive(tmp_path / "out")).uncertain,
        sorted((tmp_path / "out" / "report" / "clips").iterdir()),
        strict=True,
    ):
        samples, _ = soundfile.read(file, dtype="float32")
        expected = whole[round(row.start * RATE) : round(row.end * RATE)]
        assert samples == pytest.approx(expected, abs=1e-3)
    path.unlink()
    assert main(["archive-report", str(tmp_path / "out")]) == 0
    assert "can&#x27;t be read any more" in (tmp_path / "out" / "report" / "listening.html").read_text() or (
        "can't be read any more" in (tmp_path / "out" / "report" / "listening.html").read_text()
    )


def write_predictions(path, values, labels=LABELS):
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "speaker", "reference", "prediction", *(f"p_{label}" for label in labels)])
        for index, value in enumerate(values):
            rest = (1 - value) / (len(labels) - 1)
            writer.writerow([index, "s", labels[0], labels[0], value, *([rest] * (len(labels) - 1))])
    return path


def test_drift_is_measured_against_a_run_or_an_archive(done, tmp_path):
    report = summarise(open_archive(done), reference=done)
    assert report.drift.stability == pytest.approx(0.0, abs=1e-9)
    assert report.drift.distance == pytest.approx(0.0, abs=1e-9)
    assert report.drift.verdict == "about as sure as on the reference"
    path = write_predictions(tmp_path / "predictions.csv", np.linspace(0.95, 1.0, 50))
    drift = summarise(open_archive(done), reference=path).drift
    assert drift.verdict == "clearly less sure than on the reference"
    assert drift.distance > 0.8
    assert drift.reference_mean == pytest.approx(0.975)
    assert find_reference(str(tmp_path / "model")) == path
    assert find_reference(None) is None
    with pytest.raises(ConfigError, match="of another model, its emotions are a, b"):
        summarise(open_archive(done), reference=write_predictions(tmp_path / "other.csv", [0.6], ["a", "b"]))
    with pytest.raises(CheckpointError, match="no such file"):
        summarise(open_archive(done), reference=tmp_path / "none.csv")
    assert measure_drift(np.zeros(50), path, LABELS) is None


def test_an_archive_without_a_shard_is_refused(done, tmp_path):
    import shutil

    shutil.copytree(done, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "shards")
    with pytest.raises(CheckpointError, match="no shard is finished yet"):
        summarise(open_archive(tmp_path / "copy"))
    shutil.copytree(done / "shards", tmp_path / "copy" / "shards")
    (tmp_path / "copy" / "shards" / "000" / "part-000000.parquet").write_bytes(b"PAR1")
    with pytest.raises(CheckpointError, match=r"part-000000\.parquet: can't be read"):
        summarise(open_archive(tmp_path / "copy"))


def test_many_rows_are_joined():
    table = {f"{index:03}": Counter(a=index + 1) for index in range(30)}
    shown = most_of(table, 5)
    assert list(shown) == ["029", "028", "027", "026", "025", "25 others"]
    assert sum(counts.total() for counts in shown.values()) == sum(range(31))
    days = {f"2024-{1 + index // 28:02}-{1 + index % 28:02}": Counter(a=1) for index in range(300)}
    assert len(merge_days(days)) == 11


def test_reasons_are_counted_without_names():
    assert shorten_error("/x/a.wav: no such file", "/x/a.wav") == "no such file"
    assert shorten_error("/x/a.m4a: MP4 or M4A, which isn't read: convert it", "/x/a.m4a") == (
        "MP4 or M4A, which isn't read"
    )
