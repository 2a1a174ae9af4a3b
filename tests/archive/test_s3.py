"""Recordings in an S3-compatible storage, by a server of moto's: pip install "moto[server]" s3fs."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from ser_tl.archive import annotate
from ser_tl.cli import main
from tests.archive.conftest import BAD, read_bytes, read_rows

for name in ("moto", "s3fs", "flask"):
    pytest.importorskip(name, reason='needs pip install "moto[server]" s3fs')


@pytest.fixture(scope="module")
def storage(recordings, tmp_path_factory):
    """A bucket with the recordings in it, on a server of this machine's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    log = (tmp_path_factory.mktemp("s3") / "log").open("wb")
    server = subprocess.Popen(command, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(address, timeout=5)
                break
            except OSError:
                time.sleep(0.2)
        values = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}
        values |= {"AWS_ENDPOINT_URL": address, "no_proxy": "127.0.0.1"}
        with pytest.MonkeyPatch.context() as patch:
            for key, value in values.items():
                patch.setenv(key, value)
            import s3fs

            system = s3fs.S3FileSystem()
            system.mkdir("bucket")
            for path in sorted(recordings.rglob("*.*")):
                if path.is_file():
                    system.pipe_file(f"bucket/calls/{path.relative_to(recordings).as_posix()}", path.read_bytes())
            yield system
    finally:
        server.kill()
        server.wait()
        log.close()


@pytest.mark.timeout(400)
def test_a_bucket_has_the_rows_of_the_folder(storage, model, recordings, tmp_path):
    status = main(
        ["annotate", "s3://bucket/calls", "--model", str(model), "--output", str(tmp_path / "s3"), "--workers", "2",
         "--shard-clips", "12"]
    )  # fmt: skip
    assert status == 1  # recordings that can't be used
    annotate(recordings, tmp_path / "disk", model, workers=0, shard_clips=12)
    there, here = read_rows(tmp_path / "s3"), read_rows(tmp_path / "disk")
    assert sum(row["error"] is not None for row in there) == BAD
    for row, other in zip(there, here, strict=True):
        assert (row["id"], row["label"], row["probabilities"]) == (other["id"], other["label"], other["probabilities"])
        assert (row["error"] is None) == (other["error"] is None)
        assert row["path"] == f"s3://bucket/calls/{row['id']}"
    annotate("s3://bucket/calls", tmp_path / "again", model, workers=0, shard_clips=12)
    assert read_bytes(tmp_path / "again") == read_bytes(tmp_path / "s3")
    annotate("s3://bucket/calls/call1/*.wav", tmp_path / "pattern", model, workers=0)
    assert all(row["path"].startswith("s3://bucket/calls/call1/") for row in read_rows(tmp_path / "pattern"))
    assert os.environ["AWS_ENDPOINT_URL"]
