"""Ray computes the same shards, in the same files. Needs Ray, which is in no lock: pip install 'ser_tl[ray]'."""

import os
import sys

import pytest

from ser_tl.archive import annotate
from ser_tl.errors import CheckpointError, ConfigError
from tests.archive.conftest import BAD, read_bytes

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


def test_ray_is_named_where_it_is_missing(model, recordings, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match="engine ray needs Ray"):
        annotate(recordings, tmp_path / "out", model, engine="ray")


@pytest.fixture(scope="module")
def cluster():
    """A cluster of this machine's."""
    ray = pytest.importorskip("ray", reason="needs the extra: pip install 'ser_tl[ray]'")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.timeout(600)
def test_ray_writes_the_same_bytes(cluster, model, recordings, tmp_path):
    annotate(recordings, tmp_path / "local", model, workers=0, shard_clips=7)
    seen = []
    summary = annotate(
        recordings, tmp_path / "ray", model, workers=2, shard_clips=7, engine="ray", on_progress=seen.append
    )
    assert (summary.finished, summary.errors) == (True, BAD)
    assert read_bytes(tmp_path / "ray") == read_bytes(tmp_path / "local")
    assert seen
    summary.archive.shard_path(3).unlink()  # as if the driver had been killed: the same command goes on
    annotate(recordings, tmp_path / "ray", model, workers=1, shard_clips=7, engine="ray")
    assert read_bytes(tmp_path / "ray") == read_bytes(tmp_path / "local")


@pytest.mark.timeout(600)
def test_an_actors_error_reaches_the_caller(cluster, model, recordings, tmp_path):
    archive = annotate(recordings, tmp_path / "out", model, workers=0, shard_clips=7).archive
    archive.shard_path(0).unlink()
    (tmp_path / "out" / "inputs" / "inputs-000.parquet").write_bytes(b"broken")
    with pytest.raises(CheckpointError, match=r"inputs-000\.parquet: can't be read"):
        annotate(recordings, tmp_path / "out", model, workers=1, shard_clips=7, engine="ray")
