"""Reading a corpus through: every broken file at once, and keys that tell copies."""

import os
import shutil
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from datasets import Audio, Dataset

from ser_tl.data import checks
from ser_tl.data.audio import duration
from ser_tl.data.checks import audio_source, check_audio, content_keys, file_keys, measure_durations
from ser_tl.data.schema import DIGEST, build_corpus
from ser_tl.errors import AudioError


def corpus(paths, **columns):
    rows = [
        {"id": f"u{place}", "audio": path, "emotion": "fear", "speaker": "s", "corpus": "c", "language": "en"}
        | {name: values[place] for name, values in columns.items()}
        for place, path in enumerate(paths)
    ]
    return build_corpus(rows, source="test")


def embedded(paths):
    """The corpus with the files' bytes in it, as `push_to_hub` makes it."""
    held = [{"bytes": Path(path).read_bytes(), "path": None} for path in paths]
    return corpus(paths).remove_columns("audio").add_column("audio", held).cast_column("audio", Audio(decode=False))


@pytest.fixture
def broken(tmp_path):
    """Sixty files that aren't audio."""
    paths = [tmp_path / f"broken_{number:02d}.wav" for number in range(60)]
    for path in paths:
        path.write_text("not audio")
    return paths


def test_all_broken_files_are_in_one_error(record, broken):
    with pytest.raises(AudioError, match=r"^60 of 62 utterances can't be used.*`skip_unreadable` leaves them") as error:
        check_audio(corpus([record(), *broken, record()]))
    for path in broken:
        assert f"{path}: not audio that can be read" in str(error.value)


def test_broken_files_are_left_out_when_asked_for_and_told(record, broken):
    whole = corpus([record(), broken[0], record(), broken[1], record()])
    checked, notes = check_audio(whole, skip_unreadable=True)
    assert checked["id"] == ["u0", "u2", "u4"]
    assert [note.split(":")[0] for note in notes] == [str(broken[0]), str(broken[1])]
    assert checked.remove_columns(DIGEST).features == whole.features


def test_a_corpus_of_broken_files_is_refused_even_then(broken):
    with pytest.raises(AudioError, match="60 of 60"):
        check_audio(corpus(broken), skip_unreadable=True)


@pytest.mark.parametrize("skip", [True, False])
def test_a_whole_corpus_comes_back_as_it_is(record, skip):
    whole = corpus([record() for _ in range(3)])
    checked, notes = check_audio(whole, skip_unreadable=skip)
    assert checked.remove_columns(DIGEST).to_list() == whole.to_list()
    assert notes == []


def test_damage_behind_the_header_and_parts_beyond_the_end_are_found(record, tmp_path):
    wave, _ = soundfile.read(record(1.0))
    soundfile.write(tmp_path / "cut.flac", wave, 16000)
    whole = (tmp_path / "cut.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    clips = corpus([tmp_path / "cut.flac", record(1.0), record(1.0)], start=[0.0, 0.5, 0.5], end=[None, 0.9, 3.0])
    checked, notes = check_audio(clips, skip_unreadable=True)
    assert checked["id"] == ["u1"]
    assert "damaged" in notes[0]
    assert "correct start and end" in notes[1]


def test_one_part_of_a_file_may_be_broken_and_another_not(tmp_path):
    path = tmp_path / "session.wav"
    soundfile.write(path, np.concatenate([np.full(8000, 0.1), np.zeros(8000)]), 16000)
    checked, notes = check_audio(corpus([path, path], start=[0.0, 0.6], end=[0.5, None]), skip_unreadable=True)
    assert checked["id"] == ["u0"]
    assert "silent" in notes[0]


def test_embedded_audio_is_checked_too(record, broken):
    _, notes = check_audio(embedded([record(), broken[0]]), skip_unreadable=True)
    assert [note.split(" that ")[0] for note in notes] == ["u1: audio of 9 bytes: not audio"]


def test_the_source_is_the_bytes_where_there_are_any(record):
    path = record()
    assert audio_source(corpus([path])[0]) == str(path)
    assert audio_source(embedded([path])[0]) == path.read_bytes()


def test_copies_under_other_names_have_the_same_key(record, tmp_path):
    path, copy = record(), tmp_path / "copy.wav"
    shutil.copy(path, copy)
    first, second, other = content_keys(corpus([path, copy, record()]))
    assert first == second != other
    assert content_keys(embedded([path])) == [first]


def test_parts_of_one_file_have_keys_of_their_own(record):
    path = record(1.0)
    keys = content_keys(corpus([path] * 4, start=[0.0, 0.5, 0.0, 0.5], end=[0.5, 1.0, 1.0, 1.0]))
    assert keys[1] == keys[3]
    assert len(set(keys)) == 3


def test_what_was_read_has_a_key_of_its_samples(record, tmp_path):
    path, copy = record(1.0), tmp_path / "copy.flac"
    soundfile.write(copy, *soundfile.read(path))
    clips = corpus([path, copy, path, path], end=[None, None, 1.0, 0.5])
    files = file_keys(clips)
    keys = check_audio(clips)[0]["digest"][:]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert None not in keys
    again, _ = check_audio(check_audio(embedded([copy]))[0])
    assert again["digest"][:] == [keys[1]]
    assert "digest" not in clips.column_names
    assert file_keys(embedded([copy])) == [files[1]] != [files[0]]


@pytest.mark.slow
def test_rows_that_carry_their_audio_do_not_all_wait_in_memory(record, monkeypatch):
    clips = embedded([record(1.0)] * 500)
    monkeypatch.setattr(checks, "_decode", lambda row: (time.sleep(0.002), "0"))
    tracemalloc.start()
    check_audio(clips)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000  # of 16 million bytes, and at most 32 threads have a row each


def test_a_changed_file_gets_a_new_key(record, tmp_path):
    path = tmp_path / "clip.wav"
    shutil.copy(record(), path)
    one = corpus([path])
    before = content_keys(one)
    assert content_keys(one) == before
    stamp = path.stat()
    shutil.copy(record(), path)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1_000_000))
    assert path.stat().st_size == stamp.st_size
    assert content_keys(one) != before


def test_durations_are_those_of_the_parts(record):
    paths = [record(1.0), record(1.0), record(2.0), record(2.0)]
    clips = corpus(paths, start=[0.0, 0.25, 0.5, 0.5], end=[None, None, 1.75, None])
    assert list(measure_durations(clips)) == [1.0, 0.75, 1.25, 1.5]
    assert list(measure_durations(embedded([record(0.5)]))) == [0.5]


def test_durations_open_no_file_whose_part_is_known_and_no_file_twice(record, monkeypatch):
    opened = []
    monkeypatch.setattr("ser_tl.data.audio.duration", lambda held: opened.append(held) or 9.0)
    path, other = record(), record()
    clips = corpus([path, path, other], start=[0.0, 1.0, 2.0], end=[None, None, 5.0])
    assert list(measure_durations(clips)) == [9.0, 8.0, 3.0]
    assert opened == [str(path)]


def test_a_length_is_remembered_until_the_file_changes(record, tmp_path, monkeypatch):
    path = Path(shutil.copy(record(0.5), tmp_path / "a.wav"))
    opened = []
    monkeypatch.setattr(checks.audio, "duration", lambda source: opened.append(source) or duration(source))
    assert [list(measure_durations(corpus([path]))) for _ in range(2)] == [[0.5]] * 2
    assert len(opened) == 1
    shutil.copy(record(0.25), path)
    os.utime(path, ns=(1, 1))
    assert list(measure_durations(corpus([path]))) == [0.25]
    whole = corpus([path])
    path.unlink()
    with pytest.raises(AudioError, match=r"a\.wav: no such file"):
        measure_durations(whole)


def test_checking_and_keying_leave_the_corpus_a_plain_dataset(record):
    checked, _ = check_audio(corpus([record(), record()]))
    assert type(checked) is Dataset
    assert checked.column_names == [*corpus([record()]).column_names, "digest"]


@pytest.mark.skipif(os.name != "posix", reason="names of bytes on POSIX alone")
def test_whatever_libsndfile_and_the_system_raise_is_a_line_of_the_list(record, tmp_path):
    flac = tmp_path / "promises.flac"
    soundfile.write(flac, np.random.default_rng(0).normal(size=16000) * 0.1, 16000)
    content = bytearray(flac.read_bytes())
    content[21] |= 0x0F
    content[22:26] = b"\xff" * 4  # 2^36 samples
    flac.write_bytes(content)
    (tmp_path / "samples.raw").write_bytes(bytes(range(250)) * 99)
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    cancel = np.outer(np.sin(np.arange(16000)), [0.3, -0.3])
    soundfile.write(tmp_path / "cancel.wav", cancel, 16000)
    names = ["promises.flac", "samples.raw", "silent.wav", "cancel.wav"]
    whole = corpus([record(), *(tmp_path / name for name in names), record()])
    lost = Path(whole[5]["audio"]["path"])
    lost.unlink()  # between the reading of the corpus and that of its files
    checked, notes = check_audio(whole, skip_unreadable=True)
    assert checked["id"] == ["u0"]
    assert [note.split(": ")[0] for note in notes] == [*(str(tmp_path / name) for name in names), str(lost)]
    for note, reason in zip(notes, ["68719476735", "not audio", "silent", "cancel", "no such file"], strict=True):
        assert reason in note


@pytest.mark.parametrize("name", ["a\0b.wav", "x" * 5000, "caf\udce9.wav"])
def test_names_that_no_file_has_are_a_line_of_the_list(name, record):
    rows = [
        {"id": str(number), "audio": {"bytes": None, "path": path}, "start": 0.0, "end": None}
        for number, path in enumerate([name, str(record())])
    ]
    problems = [checks._decode(row)[0] for row in rows]
    assert problems[1] is None
    assert "no such file" in problems[0] or "no name" in problems[0] or "can't be opened" in problems[0]
    problems[0].encode("utf-8")
