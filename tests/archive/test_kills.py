"""Whatever is killed, whenever: the rows are those of a run that nobody disturbed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from ser_tl.archive import annotate, read_status
from ser_tl.archive.crashes import find_crashing
from ser_tl.archive.description import open_archive
from ser_tl.archive.lease import Heartbeat, Lease, Leases, Owner, identify_process, is_alive
from ser_tl.archive.model import open_archive_model
from ser_tl.archive.pool import Team, run_pool
from ser_tl.archive.shard import compute_shard
from ser_tl.archive.worker import ShardWorker, Share, order_shards, run_worker
from ser_tl.errors import CheckpointError, StorageError
from tests.archive.conftest import BAD, read_bytes, read_rows

pytestmark = pytest.mark.slow

KILLS = 3


@pytest.fixture(scope="module")
def done(model, recordings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive") / "done"
    annotate(recordings, folder, model, workers=0, shard_clips=5)
    return folder


def start(recordings, folder, model, workers=2):
    command = [sys.executable, "-m", "ser_tl.cli", "annotate", str(recordings), "--output", str(folder)]
    command += ["--model", str(model), "--workers", str(workers), "--shard-clips", "5", "--allow-errors"]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)


def test_killed_again_and_again_the_bytes_are_the_same(done, model, recordings, tmp_path):
    folder, chance = tmp_path / "out", random.Random(7)
    kills = 0
    while kills < KILLS:
        process = start(recordings, folder, model)
        deadline = time.monotonic() + chance.uniform(0.5, 6.0)
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()
        kills += 1
    process = start(recordings, folder, model)
    _, output = process.communicate(timeout=200)
    assert process.returncode == 0, output.decode()
    assert read_bytes(folder) == read_bytes(done)
    assert kills
    rows = read_rows(folder)
    assert len({row["id"] for row in rows}) == len(rows) == 46


@pytest.mark.exhaustive
def test_a_worker_that_is_killed_is_replaced_and_its_shard_taken_over(done, model, recordings, tmp_path):
    folder = tmp_path / "out"
    process = start(recordings, folder, model, workers=1)
    victims, deadline = set(), time.monotonic() + 100
    while process.poll() is None and time.monotonic() < deadline and len(victims) < 2:
        for path in (folder / "leases").glob("*.json") if folder.exists() else ():
            try:
                pid = json.loads(path.read_text())["pid"]
            except (OSError, ValueError):
                continue
            if path.stem != "listing" and pid not in victims:
                os.kill(pid, signal.SIGKILL)
                victims.add(pid)
        time.sleep(0.001)
    _, output = process.communicate(timeout=200)
    assert process.returncode == 0, output.decode()
    assert victims
    assert read_bytes(folder) == read_bytes(done)


@pytest.mark.exhaustive
def test_workers_end_with_their_parent(model, recordings, tmp_path):
    process = start(recordings, tmp_path / "out", model, workers=1)
    children = []
    deadline = time.monotonic() + 60
    while not children and time.monotonic() < deadline:
        found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout
        children = [int(pid) for pid in found.split()]
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)  # the parent alone
    process.wait()
    process.stderr.close()
    assert children
    deadline = time.monotonic() + 60
    while any(is_alive(Owner("", *identify_process(pid))) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(is_alive(Owner("", *identify_process(pid))) for pid in children)


def test_two_workers_that_compute_one_shard_leave_the_first_file(done, model, recordings, tmp_path):
    archive = annotate(recordings, tmp_path / "out", model, workers=0, shard_clips=5).archive
    path = archive.shard_path(1)
    before = (path.stat().st_mtime_ns, path.stat().st_ino)
    result = compute_shard(archive, 1, open_archive_model(archive))  # as one whose lease was lost would
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert result.clips == 5
    assert list(path.parent.glob(".*.part")) == []


def test_an_error_in_a_worker_reaches_the_caller(done, model, recordings, tmp_path):
    archive = annotate(recordings, tmp_path / "out", model, workers=0, shard_clips=5).archive
    archive.shard_path(0).unlink()
    (tmp_path / "out" / "inputs" / "inputs-000.parquet").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match=r"inputs-000\.parquet: can't be read"):
        run_pool(archive, Team(2))


def test_workers_that_are_lost_for_ever_end_the_run(model, recordings, tmp_path, monkeypatch):
    from ser_tl.archive import pool

    archive = annotate(recordings, tmp_path / "out", model, workers=0, shard_clips=5).archive
    archive.shard_path(0).unlink()
    monkeypatch.setattr(pool, "LOST_IN_A_ROW", 2)
    program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr(
        pool, "start_process", lambda *_: subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    )
    with pytest.raises(StorageError, match="status -9, and 3 before it"):
        run_pool(archive, Team(1))


@pytest.mark.exhaustive
def test_a_recording_that_ends_the_process_becomes_a_row(model, recordings, tmp_path, monkeypatch):
    """A fault in a C library is stood in for by a start-up file that kills whoever opens one of the recordings."""
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def watch(event, values):\n"
        "    if event == 'open' and str(values[0]).endswith('2026-11-03_007.flac'):\n"
        "        os.abort()\n"
        "sys.addaudithook(watch)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(hook))
    summary = annotate(recordings, tmp_path / "out", model, workers=1, shard_clips=23)
    assert summary.errors == BAD + 1
    (row,) = [row for row in read_rows(tmp_path / "out") if row["id"] == "call3/2026-11-03_007.flac"]
    assert "decoding it ends the process" in row["error"]


def test_clips_that_decode_are_never_to_blame(done):
    archive = open_archive(done)
    assert find_crashing(archive.read_clips(1)) == []


def test_a_lease_is_one_workers_until_it_lets_go(tmp_path):
    path = tmp_path / "leases" / "000000.json"
    lease = Leases().acquire(path)
    assert Leases().acquire(path) is None
    lease.release()
    assert not path.exists()
    assert Leases().acquire(path).owner.attempts == 0


def test_the_lease_of_a_process_that_ended_is_taken_over_at_once(tmp_path):
    path = tmp_path / "000000.json"
    program = (
        f"from ser_tl.archive.lease import Leases; from pathlib import Path; Leases().acquire(Path({str(path)!r}))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert path.exists()
    lease = Leases().acquire(path)
    assert lease.owner.attempts == 1
    assert lease.owner.pid == os.getpid()


def write_foreign(path, pid=1):
    """A lease of another machine."""
    path.write_text(json.dumps(asdict(Owner("token", "elsewhere/boot", pid, "1"))))


def test_another_machines_lease_is_taken_over_when_its_heart_stops(tmp_path):
    path = tmp_path / "000000.json"
    write_foreign(path)
    leases = Leases(patience=0.3)
    assert leases.acquire(path) is None
    time.sleep(0.2)
    os.utime(path, (1, 1))  # a beat, by a clock that is decades behind
    assert leases.acquire(path) is None
    time.sleep(0.2)
    assert leases.acquire(path) is None
    time.sleep(0.3)
    assert leases.acquire(path).owner.attempts == 1


def test_a_lease_that_was_never_written_is_taken_over_too(tmp_path):
    path = tmp_path / "000000.json"
    path.touch()
    leases = Leases(patience=0.1)
    assert leases.acquire(path) is None
    time.sleep(0.2)
    assert leases.acquire(path) is not None


def test_who_lost_its_lease_doesnt_take_the_next_ones_away(tmp_path):
    path = tmp_path / "000000.json"
    lease = Leases().acquire(path)
    write_foreign(path)
    lease.release()
    assert path.exists()


def test_a_heart_beats_while_work_is_done(tmp_path):
    path = tmp_path / "000000.json"
    lease = Leases().acquire(path)
    os.utime(path, (1, 1))
    with Heartbeat(seconds=0.05) as heartbeat:
        heartbeat.lease = Lease(path, replace(lease.owner))
        deadline = time.monotonic() + 20
        while path.stat().st_mtime < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
    assert path.stat().st_mtime > 2


def test_a_worker_takes_its_own_shards_first_and_all_in_the_end():
    assert list(order_shards(7, Share(1, 3))) == [1, 4, 2, 5, 0, 3, 6]
    for workers in (1, 2, 8):
        for index in range(workers):
            assert sorted(order_shards(7, Share(index, workers))) == list(range(7))


def test_a_task_leaves_what_others_are_alive_at(done, model, recordings, tmp_path):
    archive = annotate(recordings, tmp_path / "out", model, workers=0, shard_clips=5).archive
    archive.shard_path(2).unlink()
    write_foreign(archive.lease_path(2))
    with Heartbeat() as heartbeat:
        predictor = open_archive_model(archive)
        run_worker(ShardWorker(archive, predictor, heartbeat, 60.0), Share(0, 2, wait=False), patience=0.0)
        assert not archive.shard_path(2).exists()
        assert read_status(archive).working == {2: "elsewhere, process 1"}
        run_worker(ShardWorker(archive, predictor, heartbeat, 0.2), Share(0, 2, wait=True))
    assert read_bytes(tmp_path / "out")["shards/000/part-000002.parquet"] == archive.shard_path(2).read_bytes()
    assert read_status(archive).finished


@pytest.mark.parametrize("what", ["lease", "journal"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing_behind(model, recordings, tmp_path, monkeypatch, what):
    archive = annotate(recordings, tmp_path / "out", model, workers=0, shard_clips=5).archive
    archive.shard_path(2).unlink()
    write = os.write

    def fill(handle, content):
        if (b'"token"' in content) == (what == "lease"):
            raise OSError(28, "No space left on device")
        return write(handle, content)

    monkeypatch.setattr(os, "write", fill)
    with pytest.raises(StorageError, match=r"No space left on device.*start the same command again"):
        annotate(recordings, tmp_path / "out", model, workers=0, shard_clips=5)
    assert list((tmp_path / "out" / "leases").iterdir()) == []
    monkeypatch.setattr(os, "write", write)
    assert annotate(recordings, tmp_path / "out", model, workers=0, shard_clips=5).finished


@pytest.mark.exhaustive
def test_ctrl_c_ends_all_of_it_without_a_traceback(done, model, recordings, tmp_path):
    process = start(recordings, tmp_path / "out", model)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob("shards/*/*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, output = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in output) in ((130, False), (0, False)), output.decode()
    process = start(recordings, tmp_path / "out", model, workers=1)
    process.communicate(timeout=200)
    assert read_bytes(tmp_path / "out") == read_bytes(done)
