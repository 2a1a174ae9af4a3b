"""lhotse's manifests and Shar: read without it; what is written beside a Shar is read by it where it is installed."""

import gzip
import io
import json
import tarfile
from collections import Counter

import numpy as np
import pytest
import soundfile

from ser_tl.archive import annotate
from ser_tl.archive.sources import list_clips
from ser_tl.errors import CorpusError
from ser_tl.inference import Predictor
from tests.archive.conftest import RATE, make_speech, read_rows, write_clip


def clips_of(source):
    return list(list_clips(str(source), Counter()))


def encode(samples):
    stream = io.BytesIO()
    soundfile.write(stream, samples, RATE, format="FLAC")
    return stream.getvalue()


def write_lines(path, items):
    path.write_bytes(gzip.compress("".join(json.dumps(item) + "\n" for item in items).encode()))


def make_cut(name, seconds, **more):
    recording = {"id": name, "sources": [{"type": "shar", "channels": [0], "source": ""}], "sampling_rate": RATE}
    recording |= {"num_samples": round(seconds * RATE), "duration": seconds, "channel_ids": [0]}
    spoken = [{"id": name, "recording_id": name, "start": 0.0, "duration": seconds, "language": "ko", "speaker": "s1"}]
    cut = {"id": name, "start": 0.0, "duration": seconds, "channel": 0, "type": "MonoCut"}
    return cut | {"supervisions": spoken, "recording": recording} | more


def write_shar(folder, shards=2, cuts=3):
    """A Shar as lhotse's SharWriter lays it out: data, then its JSON, for each cut."""
    folder.mkdir(parents=True)
    for shard in range(shards):
        names = [f"cut-{shard}.{index}" for index in range(cuts)]
        items = [make_cut(name, 0.5 + index * 0.4) for index, name in enumerate(names)]
        write_lines(folder / f"cuts.{shard:06}.jsonl.gz", items)
        with tarfile.open(folder / f"recording.{shard:06}.tar", "w") as archive:
            for index, item in enumerate(items):
                content = encode(make_speech(item["duration"], 10 * shard + index))
                for ending, data in (("flac", content), ("json", json.dumps(item["recording"]).encode())):
                    info = tarfile.TarInfo(f"{item['id']}.{ending}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
    return folder


def test_a_shar_is_annotated_and_gets_a_field(model, tmp_path):
    shar = write_shar(tmp_path / "shar")
    annotate(shar, tmp_path / "out", model, workers=0, shard_clips=4)
    rows = read_rows(tmp_path / "out")
    assert [row["id"] for row in rows] == [f"cut-{shard}.{index}" for shard in range(2) for index in range(3)]
    assert {(row["language"], row["speaker"]) for row in rows} == {("ko", "s1")}
    predictor = Predictor(model)
    for number, row in enumerate(rows):
        (expected,) = predictor.predict([encode(make_speech(0.5 + number % 3 * 0.4, 10 * (number // 3) + number % 3))])
        assert row["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    for shard in range(2):
        path = tmp_path / "out" / "shar" / f"emotion.{shard:06}.jsonl.gz"
        lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        assert [line["cut_id"] for line in lines] == [f"cut-{shard}.{index}" for index in range(3)]
        assert [line["emotion"]["label"] for line in lines] == [row["label"] for row in rows[3 * shard :][:3]]


def test_lhotse_reads_the_field(model, tmp_path):
    lhotse = pytest.importorskip("lhotse")
    shar = write_shar(tmp_path / "shar")
    annotate(shar, tmp_path / "out", model, workers=0, shard_clips=4, segments=True)
    fields = {
        "cuts": sorted(map(str, shar.glob("cuts.*"))),
        "recording": sorted(map(str, shar.glob("recording.*"))),
        "emotion": sorted(map(str, (tmp_path / "out" / "shar").glob("emotion.*"))),
    }
    labels = {(row["id"], row["segment"]): row["label"] for row in read_rows(tmp_path / "out")}
    cuts = list(lhotse.CutSet.from_shar(fields=fields))
    assert len(cuts) == 6
    for cut in cuts:
        assert cut.load_audio().shape[1] == round(cut.duration * RATE)
        assert [part["label"] for part in cut.emotion] == [labels[cut.id, index] for index in range(len(cut.emotion))]


def test_a_shar_that_lhotse_wrote(model, tmp_path):
    lhotse = pytest.importorskip("lhotse")
    from lhotse.shar import SharWriter

    paths = [write_clip(tmp_path / "audio" / f"{index}.wav", 1.0 + index, index, channels=2) for index in range(4)]
    (tmp_path / "shar").mkdir()
    with SharWriter(str(tmp_path / "shar"), fields={"recording": "flac"}, shard_size=3) as writer:
        for path in paths:
            whole = lhotse.Recording.from_file(path).to_cut()
            cut = lhotse.MonoCut(whole.recording.id, 0.25, 0.5, channel=1, recording=whole.recording)
            writer.write(cut)
    annotate(tmp_path / "shar", tmp_path / "out", model, workers=0)
    predictor = Predictor(model)
    rows = read_rows(tmp_path / "out")
    assert [row["error"] for row in rows] == [None] * 4
    for row, path in zip(rows, paths, strict=True):
        samples, _ = soundfile.read(path, dtype="float32")
        (expected,) = predictor.predict([samples[4_000:12_000, 1]])
        assert row["probabilities"] == pytest.approx(expected.probabilities, abs=1e-3)


def test_a_cut_without_its_recording_is_a_row(model, tmp_path):
    shar = write_shar(tmp_path / "shar", shards=1)
    path = shar / "recording.000000.tar"
    path.write_bytes(path.read_bytes()[:1000])
    annotate(shar, tmp_path / "out", model, workers=0)
    assert all(row["error"] for row in read_rows(tmp_path / "out"))


def test_cuts_and_tars_that_dont_belong_together_are_refused(tmp_path):
    shar = write_shar(tmp_path / "shar")
    (shar / "recording.000001.tar").rename(shar / "recording.000000.tar")
    with pytest.raises(CorpusError, match="2 files of cuts and 1 of recordings"):
        clips_of(shar)
    (shar / "cuts.000001.jsonl.gz").unlink()
    with pytest.raises(CorpusError, match=r"line 1: cut 'cut-0\.0' has the recording 'cut-1\.0\.flac' beside it"):
        clips_of(shar)


def test_cuts_that_are_parts_of_files(model, tmp_path):
    path = write_clip(tmp_path / "call.wav", 3.0, channels=2)
    recording = {"id": "call", "sources": [{"type": "file", "channels": [0, 1], "source": str(path)}]}
    recording |= {"sampling_rate": RATE, "num_samples": 48_000, "duration": 3.0}
    cut = {"type": "MonoCut", "recording": recording, "supervisions": [{"language": "pl"}]}
    items = [
        cut | {"id": "right", "start": 1.0, "duration": 0.5, "channel": 1},
        cut | {"id": "both", "start": 0.0, "duration": 3.0, "channel": [0, 1], "type": "MultiCut"},
    ]
    write_lines(tmp_path / "cuts.jsonl.gz", items)
    annotate(tmp_path / "cuts.jsonl.gz", tmp_path / "out", model, workers=0)
    right, both = read_rows(tmp_path / "out")
    samples, _ = soundfile.read(path, dtype="float32")
    predictor = Predictor(model)
    expected = predictor.predict([samples[16_000:24_000, 1], path])
    assert right["probabilities"] == pytest.approx(expected[0].probabilities, abs=1e-5)
    assert both["probabilities"] == pytest.approx(expected[1].probabilities, abs=1e-5)
    assert (right["start"], right["end"], right["language"]) == (1.0, 1.5, "pl")
    (tmp_path / "recordings.jsonl").write_text(json.dumps(recording) + "\n")
    (clip,) = clips_of(tmp_path / "recordings.jsonl")
    assert (clip.id, clip.path, clip.start) == ("call", str(path), None)
    (tmp_path / "broken.jsonl").write_text(json.dumps(cut) + "\n")
    with pytest.raises(CorpusError, match="line 1: neither a cut nor a recording"):
        clips_of(tmp_path / "broken.jsonl")


def test_cuts_that_lhotse_puts_together(model, tmp_path):
    lhotse = pytest.importorskip("lhotse")
    first, second = (
        lhotse.Recording.from_file(write_clip(tmp_path / f"{index}.wav", 1.0, index)).to_cut() for index in range(2)
    )
    mixed = first.append(second).with_id("mixed")
    slow = lhotse.Recording.from_file(tmp_path / "0.wav").resample(8_000).to_cut().with_id("slow")
    lhotse.CutSet.from_cuts([mixed, slow]).to_file(tmp_path / "cuts.jsonl.gz")
    annotate(tmp_path / "cuts.jsonl.gz", tmp_path / "out", model, workers=0)
    rows = {row["id"]: row for row in read_rows(tmp_path / "out")}
    assert [row["error"] for row in rows.values()] == [None, None]
    whole = np.concatenate([soundfile.read(tmp_path / f"{index}.wav", dtype="float32")[0] for index in range(2)])
    (expected,) = Predictor(model).predict([whole])
    assert rows["mixed"]["probabilities"] == pytest.approx(expected.probabilities, abs=1e-4)
