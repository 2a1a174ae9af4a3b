"""What can be a source, and that its clips are the recordings it holds."""

import csv
import gzip
import io
import json
import os
import tarfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser_tl.archive import annotate
from ser_tl.archive.clip import Clip, from_columns, hash_clips, to_columns
from ser_tl.archive.recordings import open_recordings
from ser_tl.archive.sources import list_clips
from ser_tl.archive.sources.columns import find_day, span_of
from ser_tl.data.audio import decode
from ser_tl.errors import AudioError, ConfigError, CorpusError, StorageError
from ser_tl.inference import Predictor
from tests.archive.conftest import RATE, make_speech, read_rows, write_clip


def clips_of(source):
    return list(list_clips(str(source), Counter()))


def answers(model, source, folder, **options):
    """Rows by id."""
    annotate(source, folder, model, workers=0, shard_clips=3, **options)
    return {row["id"]: row for row in read_rows(folder)}


@pytest.fixture
def files(tmp_path):
    return [
        write_clip(tmp_path / "audio" / f"{name}.wav", 0.6 + 0.3 * index, index) for index, name in enumerate("abcd")
    ]


def check_answers(rows, model, expected):
    """Rows say what the predictor says of these recordings."""
    assert set(rows) == set(expected)
    predictor = Predictor(model)
    for name, recording in expected.items():
        (prediction,) = predictor.predict([recording])
        assert rows[name]["error"] is None
        assert rows[name]["probabilities"] == pytest.approx(prediction.probabilities, abs=1e-5)


# Lists


def write_list(path, rows, kind):
    names = list(rows[0])
    if kind in ("csv", "tsv"):
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, names, delimiter="\t" if kind == "tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    elif kind == "parquet":
        import pyarrow as pa
        from pyarrow import parquet

        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(row["path"] + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet", "txt"])
def test_lists(model, files, tmp_path, kind):
    rows = [{"path": f"audio/{path.name}", "language": "da", "date": "28.11. or 2026-11-28"} for path in files]
    found = answers(model, write_list(tmp_path / f"list.{kind}", rows, kind), tmp_path / "out")
    check_answers(found, model, {f"audio/{path.name}": path for path in files})
    facts = {(row["language"], row["day"]) for row in found.values()}
    assert facts == ({(None, None)} if kind == "txt" else {("da", "2026-11-28")})


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_packed_lists(files, tmp_path, kind):
    plain = write_list(tmp_path / f"list.{kind}", [{"path": str(path), "id": path.stem} for path in files], kind)
    packed = tmp_path / f"list.{kind}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert clips_of(packed) == clips_of(plain)
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(CorpusError, match="copy it again"):
        clips_of(packed)


def test_names_with_line_breaks_stand_in_lists(tmp_path):
    name = 'two\nlines, "quoted"\u2028.wav'
    path = write_list(tmp_path / "list.csv", [{"path": name, "id": "1"}, {"path": "b.wav", "id": "2"}], "csv")
    assert [clip.path for clip in clips_of(path)] == [str(tmp_path / name), str(tmp_path / "b.wav")]
    path = write_list(tmp_path / "list.jsonl", [{"path": name}], "jsonl")
    assert clips_of(path)[0].path == str(tmp_path / name)


def test_parts_and_channels_of_recordings(model, tmp_path):
    path = write_clip(tmp_path / "call.wav", 3.0, 5, channels=2)
    rows = [
        {"id": "whole", "path": "call.wav", "start": "", "end": "", "channel": ""},
        {"id": "left", "path": "call.wav", "start": "", "end": "", "channel": "0"},
        {"id": "right", "path": "call.wav", "start": "0.5", "end": "1.25", "channel": "1"},
        {"id": "middle", "path": "call.wav", "start": "1", "end": "2", "channel": ""},
        {"id": "third", "path": "call.wav", "start": "", "end": "", "channel": "2"},
        {"id": "beyond", "path": "call.wav", "start": "7", "end": "8", "channel": ""},
        {"id": "backwards", "path": "call.wav", "start": "2", "end": "1", "channel": ""},
        {"id": "word", "path": "call.wav", "start": "two", "end": "", "channel": ""},
    ]
    found = answers(model, write_list(tmp_path / "list.csv", rows, "csv"), tmp_path / "out")
    samples, _ = soundfile.read(path, dtype="float32")
    good = {
        "whole": path,
        "left": samples[:, 0],
        "right": samples[8_000:20_000, 1],
        "middle": decode(path, 1.0, 2.0),
    }
    bad = {name: found.pop(name)["error"] for name in ("third", "beyond", "backwards", "word")}
    check_answers(found, model, good)
    assert (found["right"]["start"], found["right"]["end"]) == (0.5, 1.25)
    assert "channel 2, and the recording has 2" in bad["third"]
    assert "no audio from 7 s to 8 s" in bad["beyond"]
    assert "line 8: a clip from 2.0 s to 1.0 s" in bad["backwards"]
    assert "line 9: start is 'two'" in bad["word"]


def test_spans_as_nemo_and_others_write_them():
    assert span_of({"offset": 1.5, "duration": 2.0}) == (1.5, 3.5)
    assert span_of({"duration": 2.0}) == (None, None)  # of the whole recording
    assert span_of({"start": 0, "end": "2"}) == (0.0, 2.0)
    assert span_of({"start": 0}) == (None, None)
    assert span_of({}) == (None, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"file_id,speaker\n1,2\n", "line 2: no column of paths .found file_id, speaker"),
        (b"path\n\xe9.wav\n", "not UTF-8"),
        ("path\na.wav\n".encode("utf-16"), "not UTF-8"),
        (b"path,id\na.wav\n", r"line 2: 1 fields, and the first line has 2"),
        (b"path,path\na.wav,b.wav\n", "the columns path stand there twice"),
        (b'path\n"a.wav\n', "an unclosed quote"),
        (b"path,id\n", "a list without rows"),
        (b"", "a list without rows"),
        (b"path,id\na.wav,1\nb.wav,1\nc.wav,2\n", r"1 ids aren't unique.*\n.*1 \(2 times\)"),
        (b"path\na.wav\nb.wav\na.wav\n", r"a.wav \(2 times\)"),
    ],
)
def test_lists_that_are_none_are_refused(model, tmp_path, content, message):
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(CorpusError, match=message):
        annotate(tmp_path / "list.csv", tmp_path / "out", model, workers=0)


def test_other_separators_and_a_byte_order_mark(tmp_path):
    (tmp_path / "list.csv").write_bytes("\ufeffpath;language\na,b.wav;de\n".encode())
    (clip,) = clips_of(tmp_path / "list.csv")
    assert (clip.path, clip.language) == (str(tmp_path / "a,b.wav"), "de")


def test_a_row_without_a_path_is_a_row_with_an_error(model, files, tmp_path):
    (tmp_path / "list.csv").write_text("id,path\n1,audio/a.wav\n2,\n", encoding="utf-8")
    found = answers(model, tmp_path / "list.csv", tmp_path / "out")
    assert found["1"]["error"] is None
    assert "line 3: no path" in found["2"]["error"]


def test_json_that_is_none(tmp_path):
    (tmp_path / "list.jsonl").write_text('{"path": "a.wav"}\n[1]\n', encoding="utf-8")
    with pytest.raises(CorpusError, match="line 2: a list, expected one object per line"):
        clips_of(tmp_path / "list.jsonl")
    (tmp_path / "list.jsonl").write_text('{"path": "a.wav"}\n{"path":\n', encoding="utf-8")
    with pytest.raises(CorpusError, match="line 2: no JSON"):
        clips_of(tmp_path / "list.jsonl")


def test_days():
    assert find_day("calls/2026/11/28/a.wav") == "2026-11-28"
    assert find_day("20261128_a.wav") == "2026-11-28"
    assert find_day("2026-13-28.wav") is None
    assert find_day("120261128.wav") is None


# Tars


def write_tar(path, members, mode="w"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "mode"), [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz")])
def test_tars_of_webdataset(model, files, tmp_path, ending, mode):
    members = []
    for path in files:
        facts = json.dumps({"language": "pl", "speaker": path.stem}).encode()
        members += [
            (f"x/{path.stem}.json", facts),
            (f"x/{path.name}", path.read_bytes()),
            (f"x/{path.stem}.txt", b"hi"),
        ]
    write_tar(tmp_path / "tars" / f"train-000000{ending}", members[:6], mode)
    write_tar(tmp_path / "tars" / f"train-000001{ending}", [*members[7:9], members[6], *members[9:]], mode)
    found = answers(model, tmp_path / "tars", tmp_path / "out")
    names = {path: f"train-00000{index // 2}{ending}/x/{path.name}" for index, path in enumerate(files)}
    check_answers(found, model, {name: path for path, name in names.items()})
    assert {(row["language"], row["speaker"]) for row in found.values()} == {("pl", path.stem) for path in files}
    pattern = clips_of(str(tmp_path / "tars" / ("train-{000000..000001}" + ending)))
    assert [clip.id for clip in pattern] == sorted(names.values())


def test_a_tar_that_is_cut_short_gives_what_is_whole(model, files, tmp_path):
    path = write_tar(tmp_path / "in" / "a.tar", [(file.name, file.read_bytes()) for file in files])
    path.write_bytes(path.read_bytes()[:-60_000])
    found = answers(model, tmp_path / "in", tmp_path / "out")
    errors = {name: row["error"] for name, row in found.items() if row["error"]}
    assert found["a.tar/a.wav"]["error"] is None
    assert errors
    assert all("cut short" in error or "can't be read to its end" in error for error in errors.values())


def test_links_in_tars_are_rows_that_say_so(files, tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(files[0], "a.wav")
        info = tarfile.TarInfo("b.wav")
        info.type, info.linkname = tarfile.LNKTYPE, "a.wav"
        archive.addfile(info)
    first, second = clips_of(path)
    assert first.problem is None
    assert "a link in the tar" in second.problem


def test_no_tar_at_all(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"no tar" * 1000)
    (clip,) = clips_of(tmp_path / "a.tar")
    assert "a tar that can't be read to its end" in clip.problem


# Datasets


@pytest.mark.slow
@pytest.mark.parametrize("decoded", [False, True])
def test_a_dataset_that_was_saved_to_disk(model, files, tmp_path, decoded):
    datasets = pytest.importorskip("datasets")
    cells = [{"bytes": path.read_bytes(), "path": path.name} if decoded else str(path) for path in files]
    table = datasets.Dataset.from_dict({"audio": cells, "language": ["ko"] * 4})
    table = table.cast_column("audio", datasets.Audio(decode=False))
    parts = datasets.DatasetDict({"train": table.select([0, 2]), "test": table.select([1, 3])})
    parts.save_to_disk(tmp_path / "saved", num_shards={"train": 2, "test": 1})
    found = answers(model, tmp_path / "saved", tmp_path / "out")
    check_answers(found, model, dict(zip(["train/0", "test/0", "train/1", "test/1"], files, strict=True)))
    assert {row["language"] for row in found.values()} == {"ko"}


def test_parquet_with_audio_cells(model, files, tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    rows = [{"audio": {"bytes": path.read_bytes(), "path": None}, "id": path.stem, "lang": "tr"} for path in files]
    rows[3]["audio"] = {"bytes": None, "path": str(files[3])}
    rows.append({"audio": None, "id": "none", "lang": "tr"})
    (tmp_path / "data").mkdir()
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / "train-00000.parquet", row_group_size=2)
    found = answers(model, tmp_path / "data", tmp_path / "out")
    assert "a row without audio" in found.pop("train-00000.parquet/none")["error"]
    check_answers(found, model, {f"train-00000.parquet/{path.stem}": path for path in files})
    assert {row["language"] for row in found.values()} == {"tr"}


def test_no_parquet_at_all(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(CorpusError, match="no Parquet that can be read"):
        clips_of(tmp_path / "a.parquet")


# Elsewhere


@pytest.fixture
def memory(files):
    """fsspec's file system in memory, with the files in it."""
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for path in files:
        system.pipe_file(f"/bucket/audio/{path.name}", path.read_bytes())
    yield system
    system.rm("/bucket", recursive=True)


def test_a_folder_elsewhere(model, files, memory, tmp_path):
    memory.pipe_file("/bucket/audio/readme.md", b"")
    found = answers(model, "memory://bucket/audio", tmp_path / "out")
    check_answers(found, model, {path.name: path for path in files})
    assert {row["path"] for row in found.values()} == {f"memory:///bucket/audio/{path.name}" for path in files}


@pytest.mark.slow
def test_patterns_lists_and_tars_elsewhere(model, files, memory, tmp_path):
    check = {path.name: path for path in files}
    found = answers(model, "memory://bucket/audio/*.wav", tmp_path / "pattern")
    check_answers({name.rsplit("/", 1)[-1]: row for name, row in found.items()}, model, check)
    lines = "".join(f"audio/{path.name}\n" for path in files) + "audio/none.wav\n"
    memory.pipe_file("/bucket/list.txt", lines.encode())
    found = answers(model, "memory://bucket/list.txt", tmp_path / "list")
    assert "no such file" in found.pop("audio/none.wav")["error"]
    check_answers({name.rsplit("/", 1)[-1]: row for name, row in found.items()}, model, check)
    for ending, mode in ((".tar", "w"), (".tar.gz", "w:gz")):
        tar = write_tar(tmp_path / f"a{ending}", [(path.name, path.read_bytes()) for path in files], mode)
        memory.pipe_file(f"/bucket/tars/a{ending}", tar.read_bytes())
        found = answers(model, f"memory://bucket/tars/a{ending}", tmp_path / ending)
        check_answers({name.rsplit("/", 1)[-1]: row for name, row in found.items()}, model, check)


def test_parts_of_a_recording_elsewhere_are_fetched_once(model, memory, tmp_path, monkeypatch):
    path = write_clip(tmp_path / "long.wav", 6.0)
    memory.pipe_file("/bucket/long.wav", path.read_bytes())
    rows = [{"path": "memory://bucket/long.wav", "start": index, "end": index + 1} for index in range(6)]
    fetched = []
    from ser_tl.archive import recordings

    fetch = recordings.fetch
    monkeypatch.setattr(recordings, "fetch", lambda clip: fetched.append(clip.path) or fetch(clip))
    found = answers(model, write_list(tmp_path / "list.csv", rows, "csv"), tmp_path / "out")
    assert [row["error"] for row in found.values()] == [None] * 6
    assert len(fetched) == 2  # of two shards


def test_a_storage_that_fails_ends_the_run_and_is_asked_again_by_the_next(model, files, memory, tmp_path, monkeypatch):
    from ser_tl.archive import storage

    monkeypatch.setattr(storage.time, "sleep", lambda seconds: None)
    cat, failures = type(memory).cat_file, []

    def fail(self, path, *arguments, **options):
        if path.endswith("c.wav") and len(failures) < storage.TRIES + 1:
            failures.append(path)
            raise ConnectionResetError("reset by peer")
        return cat(self, path, *arguments, **options)

    monkeypatch.setattr(type(memory), "cat_file", fail)
    with pytest.raises(StorageError, match=r"failed 4 times .reset by peer.*start the same command again"):
        answers(model, "memory://bucket/audio", tmp_path / "out")
    found = answers(model, "memory://bucket/audio", tmp_path / "out")
    check_answers(found, model, {path.name: path for path in files})
    assert len(failures) == storage.TRIES + 1


def test_a_scheme_that_nobody_knows():
    with pytest.raises(ConfigError, match="fsspec can't open it"):
        clips_of("nowhere://bucket/x")


# Clips


def test_clips_survive_their_columns():
    clips = [
        Clip("1", "/a\n.wav"),
        Clip("2", "b\\xe9.wav", raw=b"/b\xe9.wav", start=1.5, channel=1, problem="x"),
        Clip("3", "c", "tar", member="d.wav", offset=1 << 40, size=3, speaker="s", language="de", day="2026-11-28"),
    ]
    assert from_columns(to_columns(clips)) == clips
    assert len({hash_clips([clip]) for clip in clips}) == 3
    assert clips[1].file == os.fsdecode(b"/b\xe9.wav")


def test_recordings_come_in_the_clips_order(files):
    clips = [Clip(str(index), str(path)) for index, path in enumerate(files)]
    clips.insert(2, Clip("bad", "x", problem="found by the listing"))
    found = list(open_recordings(clips))
    assert found[:2] == [str(path) for path in files[:2]]
    assert isinstance(found[2], AudioError)


def test_every_kind_of_number_of_frames(model, tmp_path):
    """From one sample on: what is too short for a window is an answer or a row, never the end of the run."""
    home = tmp_path / "in"
    home.mkdir()
    for count in (1, 2, 10, 79, 80, 159, 160, 319, 320, 321, 2559, 2560, 2561):
        soundfile.write(home / f"{count:05}.wav", np.full(count, 0.1), RATE)
        soundfile.write(home / f"{count:05}.44.wav", make_speech(1.0)[:count], 44_100)
    rows = answers(model, home, tmp_path / "out")
    assert len(rows) == 26
    assert all(row["label"] or row["error"] for row in rows.values())


@pytest.mark.skipif(find_spec("lhotse") is not None, reason="lhotse is installed")
def test_mixed_cuts_need_lhotse(tmp_path):
    cut = {"id": "mix", "type": "MixedCut", "tracks": []}
    (tmp_path / "cuts.jsonl").write_text(json.dumps(cut) + "\n")
    with pytest.raises(ConfigError, match="pip install lhotse"):
        clips_of(tmp_path / "cuts.jsonl")


def test_the_bundled_recordings(model, tmp_path):
    from ser_tl.assets import asset

    source = Path(str(asset("emodb_mini")))
    assert len(clips_of(source)) == len(list(source.glob("*.opus")))
