"""Recordings become rows: each once, in one order, the same however they are computed."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from ser_tl.archive import annotate, open_archive, read_status, verify
from ser_tl.cli import main
from ser_tl.errors import CheckpointError, ConfigError, CorpusError, StorageError
from ser_tl.inference import Predictor
from tests.archive.conftest import BAD, LABELS, make_speech, read_bytes, read_rows, write_clip, write_model


@pytest.fixture(scope="module")
def done(model, recordings, tmp_path_factory):
    """An archive that one process computed in one go."""
    folder = tmp_path_factory.mktemp("archive") / "done"
    summary = annotate(recordings, folder, model, workers=0, shard_clips=7)
    assert summary.finished
    assert summary.errors == BAD
    return folder


@pytest.mark.slow
def test_every_recording_is_a_row_once_and_bad_ones_say_why(done, recordings):
    rows = read_rows(done)
    files = sorted(path.relative_to(recordings).as_posix() for path in recordings.rglob("*.*") if path.is_file())
    assert sorted(row["id"] for row in rows) == [name for name in files if not name.endswith((".txt", ".jpg"))]
    errors = {row["id"]: row["error"] for row in rows if row["error"]}
    assert len(errors) == BAD
    assert "M4A" in errors["call2/voice.m4a"]
    assert "0 bytes" in errors["call1/empty.wav"]
    assert "web page" in errors["call2/page.mp3"]
    assert all(row["label"] is None and row["probabilities"] is None for row in rows if row["error"])
    assert open_archive(done).skipped == {".jpg": 1, ".txt": 1}


def test_rows_say_what_the_predictor_says(done, model, recordings):
    predictor = Predictor(model)
    for row in read_rows(done)[::5]:
        if row["error"] or not row["speech"]:
            continue
        (expected,) = predictor.predict(recordings / row["id"])
        assert row["label"] == expected.label
        assert row["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
        assert row["dimensions"] == pytest.approx(expected.dimensions, abs=1e-6)
        assert row["confidence"] == pytest.approx(max(expected.probabilities.values()), abs=1e-6)
        assert (row["start"], row["end"]) == (0.0, pytest.approx(expected.seconds))
        assert row["calibrated"] is False
        assert row["model"] == open_archive(done).model.sha256[:16]


def test_silence_is_a_row_without_an_answer(done):
    (row,) = [row for row in read_rows(done) if row["id"] == "call3/silence.wav"]
    assert row["speech"] is False
    assert row["label"] is None
    assert row["quality"] == ["silent"]
    assert row["error"] is None


@pytest.mark.slow
@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.exhaustive), 2])
def test_processes_write_the_same_bytes(done, model, recordings, tmp_path, workers):
    seen = []
    summary = annotate(recordings, tmp_path / "out", model, workers=workers, shard_clips=7, on_progress=seen.append)
    assert summary.finished
    assert read_bytes(tmp_path / "out") == read_bytes(done)
    assert len(list((tmp_path / "out" / "journals").glob("*.jsonl"))) <= workers
    assert list((tmp_path / "out" / "leases").iterdir()) == []
    assert seen[-1].done <= summary.archive.shards


def test_a_finished_archive_is_left_alone(done, model, recordings):
    before = {path: path.stat().st_mtime_ns for path in (done / "shards").rglob("*.parquet")}
    summary = annotate(recordings, done, model, workers=0, shard_clips=7)
    assert summary.errors == BAD
    assert {path: path.stat().st_mtime_ns for path in (done / "shards").rglob("*.parquet")} == before


def test_a_shard_that_is_missing_is_computed_again_and_is_the_same(done, model, recordings, tmp_path):
    import shutil

    shutil.copytree(done, tmp_path / "copy")
    expected = read_bytes(done)
    (tmp_path / "copy" / "shards" / "000" / "part-000002.parquet").unlink()
    (tmp_path / "copy" / "manifest.json").unlink()
    assert not read_status(tmp_path / "copy").finished
    annotate(recordings, tmp_path / "copy", model, workers=0)
    assert read_bytes(tmp_path / "copy") == expected


def test_a_journal_that_is_lost_changes_nothing(done, model, recordings, tmp_path):
    import shutil

    shutil.copytree(done, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "journals")
    status = read_status(tmp_path / "copy")
    assert (status.errors, status.finished) == (BAD, True)
    annotate(recordings, tmp_path / "copy", model, workers=0)
    assert read_bytes(tmp_path / "copy") == read_bytes(done)


def test_other_options_or_models_are_refused(done, model, recordings, tmp_path):
    with pytest.raises(ConfigError, match="segments False, and segments True is asked for now"):
        annotate(recordings, done, model, workers=0, segments=True)
    other = write_model(tmp_path / "other", gain=3.0)
    with pytest.raises(ConfigError, match="name a new folder"):
        annotate(recordings, done, other, workers=0)
    with pytest.raises(ConfigError, match="source"):
        annotate(recordings / "call1", done, model, workers=0)


@pytest.mark.slow
def test_tasks_of_an_array_job_share_the_work(done, model, recordings, tmp_path):
    for rank in (1, 0):
        summary = annotate(recordings, tmp_path / "out", model, workers=0, shard_clips=7, rank=rank, world=2)
    assert summary.finished
    assert read_bytes(tmp_path / "out") == read_bytes(done)


@pytest.mark.slow
def test_segments_are_rows(model, recordings, tmp_path):
    annotate(recordings, tmp_path / "out", model, workers=0, segments=True)
    rows = read_rows(tmp_path / "out")
    long = [row for row in rows if row["id"] == "call2/2026-11-02_006.wav"]
    (expected,) = Predictor(model).predict(recordings / "call2" / "2026-11-02_006.wav")
    assert [row["segment"] for row in long] == list(range(len(expected.segments)))
    assert len(long) == 3
    for row, segment in zip(long, expected.segments, strict=True):
        assert (row["start"], row["end"], row["label"]) == (segment.start, segment.end, segment.label)
    assert len({(row["id"], row["segment"]) for row in rows}) == len(rows)


def test_rows_below_a_confidence_are_marked(model, recordings, tmp_path):
    annotate(recordings, tmp_path / "out", model, workers=0, abstain_below=0.5)
    rows = [row for row in read_rows(tmp_path / "out") if row["confidence"] is not None]
    assert {row["abstained"] for row in rows} == {True, False}
    assert all(row["abstained"] == (row["confidence"] < 0.5) for row in rows)


@pytest.mark.slow
def test_verifying_finds_changed_files_and_changed_answers(done, model, recordings, tmp_path):
    import shutil

    found = verify(done, 1.0)
    assert found.passed
    assert (found.identical, found.again) == (found.shards, found.shards)
    copy = tmp_path / "copy"
    shutil.copytree(done, copy)
    path = copy / "shards" / "000" / "part-000001.parquet"
    from pyarrow import parquet

    table = parquet.read_table(path)
    labels = table.column("label").to_pylist()
    labels[0] = "sharp" if labels[0] != "sharp" else "calm"
    parquet.write_table(
        table.set_column(table.column_names.index("label"), "label", [labels]), path, compression="zstd"
    )
    found = verify(copy, 1.0)
    assert found.damaged == ["shards/000/part-000001.parquet"]
    assert len(found.differing) == 1
    path.unlink()
    assert verify(copy, 0.0).damaged == ["shards/000/part-000001.parquet"]
    with pytest.raises(CheckpointError, match="no archive"):
        verify(tmp_path, 0.1)


@pytest.mark.slow
def test_inputs_that_were_changed_are_refused(done, model, recordings, tmp_path):
    import shutil

    from pyarrow import parquet

    copy = tmp_path / "copy"
    shutil.copytree(done, copy)
    shutil.rmtree(copy / "shards")
    path = copy / "inputs" / "inputs-000.parquet"
    table = parquet.read_table(path)
    parquet.write_table(table.slice(0, len(table) - 1), path, row_group_size=7)
    with pytest.raises(CheckpointError, match="aren't those that were listed"):
        annotate(recordings, copy, model, workers=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nothing", "no such file or folder"),
        (lambda folder: folder, "no recordings to annotate .*no files at all"),
        (lambda folder: folder / "*.wav", "a pattern that no file matches"),
    ],
)
def test_a_source_without_recordings_is_refused(model, tmp_path, make, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=message):
        annotate(str(make(tmp_path / "empty")), tmp_path / "out", model, workers=0)
    assert not (tmp_path / "out" / "archive.json").exists()
    assert not list((tmp_path / "out").glob(".inputs*"))


def test_an_output_that_is_no_folder_is_refused(model, recordings, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        annotate(recordings, tmp_path / "file", model)
    with pytest.raises(ConfigError, match="a disk that all workers see"):
        annotate(recordings, "s3://bucket/out", model)
    with pytest.raises(StorageError, match="can't be"):
        annotate(recordings, tmp_path / "file" / "below", model)


def test_names_may_be_anything(model, tmp_path):
    home = tmp_path / "in"
    names = ["two\nlines.wav", "a,b;c\t'\".wav", "é✓🎧.wav", "#1-2?.wav", " spaces .wav", "[x]*.wav"]
    for index, name in enumerate(names):
        write_clip(home / name, 0.5, index)
    raw = os.fsencode(home) + b"/caf\xe9.wav"
    Path(os.fsdecode(raw)).write_bytes((home / names[0]).read_bytes())
    annotate(home, tmp_path / "out", model, workers=0)
    rows = read_rows(tmp_path / "out")
    assert {row["id"] for row in rows} == {*names, "caf\\xe9.wav"}
    assert [row["error"] for row in rows] == [None] * 7


def test_a_folder_that_may_not_be_read_is_a_row(model, tmp_path, monkeypatch):
    write_clip(tmp_path / "in" / "open" / "a.wav")
    write_clip(tmp_path / "in" / "shut" / "b.wav")
    scan = os.scandir

    def refuse(path):  # tests may run as root, whom no permission stops
        if not isinstance(path, int) and Path(path).name == "shut":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr("ser_tl.archive.storage.os.scandir", refuse)
    summary = annotate(tmp_path / "in", tmp_path / "out", model, workers=0)
    assert summary.errors == 1
    (bad,) = [row for row in read_rows(tmp_path / "out") if row["error"]]
    assert "Permission denied" in bad["error"]
    assert bad["id"] == "shut/"


def test_links_are_followed_and_circles_end(model, tmp_path):
    write_clip(tmp_path / "in" / "a.wav")
    write_clip(tmp_path / "elsewhere" / "b.wav")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "broken.wav").symlink_to(tmp_path / "gone.wav")
    annotate(tmp_path / "in", tmp_path / "out", model, workers=0)
    rows = {row["id"]: row["error"] for row in read_rows(tmp_path / "out")}
    assert set(rows) == {"a.wav", "link/b.wav", "broken.wav"}
    assert "no such file" in rows["broken.wav"]


def test_a_recording_that_goes_away_is_a_row(model, tmp_path):
    write_clip(tmp_path / "in" / "a.wav")
    write_clip(tmp_path / "in" / "b.wav")
    from ser_tl.archive import annotation

    before = annotation.list_source

    def list_and_lose(*arguments):
        archive = before(*arguments)
        (tmp_path / "in" / "b.wav").unlink()
        return archive

    annotation.list_source = list_and_lose
    try:
        summary = annotate(tmp_path / "in", tmp_path / "out", model, workers=0)
    finally:
        annotation.list_source = before
    assert summary.errors == 1


def test_quality_is_flagged(model, tmp_path):
    import soundfile

    home = tmp_path / "in"
    home.mkdir()
    speech = make_speech(2.0, 3)
    sounds = {
        "plain": speech,
        "clipped": np.clip(8 * speech / np.abs(speech).max(), -1, 1),
        "quiet": 1e-3 * speech / np.abs(speech).max(),
        "short": speech[:4000],
        "pauses": np.concatenate([speech[:4000], np.zeros(40_000, np.float32)]),
    }
    for name, samples in sounds.items():
        soundfile.write(home / f"{name}.wav", samples, 16_000, subtype="FLOAT")
    slow = make_speech(1.0, 4)
    soundfile.write(home / "narrowband.wav", slow, 8_000)
    annotate(home, tmp_path / "out", model, workers=0)
    flags = {row["id"].partition(".")[0]: row["quality"] for row in read_rows(tmp_path / "out")}
    assert flags.pop("plain") == []
    assert all(name in found for name, found in flags.items())


@pytest.mark.slow
def test_the_command_line(done, model, recordings, tmp_path, capsys):
    folder = tmp_path / "out"
    command = ["annotate", str(recordings), "--model", str(model), "--output", str(folder), "--workers", "1"]
    assert main([*command, "--shard-clips", "7", "--verify", "0.2"]) == 1
    captured = capsys.readouterr()
    assert f"{BAD} recordings couldn't be used" in captured.err
    assert "left out: 1 of .jpg, 1 of .txt" in captured.err
    assert "bit for bit the same" in captured.out
    assert read_bytes(folder) == read_bytes(done)
    assert main([*command, "--allow-errors"]) == 0
    capsys.readouterr()
    assert main(["annotate", "status", str(folder)]) == 0
    assert f"46 of 46 recordings (100.0 %), 7 of 7 shards, {BAD} errors" in capsys.readouterr().out
    assert main(["annotate", str(recordings)]) == 1
    assert "--output: name the folder" in capsys.readouterr().err
    assert main(["annotate", "status", str(tmp_path)]) == 1
    assert "no archive" in capsys.readouterr().err
    assert main(["annotate", "a.wav", "b.wav", "--output", str(folder)]) == 1
    assert "one source at a time" in capsys.readouterr().err


def test_the_manifest_lists_shards_with_their_hashes(done):
    import hashlib

    manifest = json.loads((done / "manifest.json").read_text())
    assert manifest["clips"] == sum(item["clips"] for item in manifest["shards"]) == 46
    for item in manifest["shards"]:
        assert hashlib.sha256((done / item["file"]).read_bytes()).hexdigest() == item["sha256"]
    assert manifest["model"]["labels"] == LABELS
    assert [item["inputs"] for item in manifest["shards"]] == open_archive(done).inputs
