"""The engine for clusters that Ray runs: shards as a dataset, workers as Ray Data's actors, on CPUs or GPUs.

    run_ray(archive) -> from_items(shards).map_batches(ShardActor) -> shards, in the same files as by the local pool

Ray starts, restarts and places the actors; what a shard is, that it is computed once, and resuming stay ours: Ray Data
has no resume, and after its driver's death the same command goes on.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ser_tl import errors
from ser_tl.archive.description import Archive, open_archive
from ser_tl.archive.lease import Heartbeat
from ser_tl.archive.model import open_archive_model
from ser_tl.archive.status import Status, find_done, read_status
from ser_tl.archive.worker import PAUSE, ShardWorker
from ser_tl.errors import ConfigError, SerTlError

CPUS_AN_ACTOR = 0.5
"""Actors that take all CPUs leave none for Ray Data's own tasks: it then waits forever, without a word."""


class ShardActor:
    """Computes shards in a process of Ray's.

    Args:
        folder: of the archive, which every machine sees under this path
        device: where models in torch compute
    """

    def __init__(self, folder: str, device: str | None) -> None:
        self._heartbeat = Heartbeat().__enter__()  # for as long as the actor lives
        archive = open_archive(Path(folder))
        self._worker = ShardWorker(archive, open_archive_model(archive, device), self._heartbeat)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Computes the shards of a batch, or waits until whoever works on them is done. An error is an answer."""
        failures = []
        for shard in batch["shard"]:
            try:
                while self._worker.attempt(int(shard)) == "leased":
                    time.sleep(PAUSE)
                failures.append("")
            except SerTlError as error:
                failures.append(json.dumps([type(error).__name__, str(error)]))
        return batch | {"error": failures}


def run_ray(
    archive: Archive,
    *,
    workers: int,
    address: str | None = None,
    device: str | None = None,
    on_progress: Callable[[Status], None] | None = None,
) -> None:
    """Computes all shards that are missing.

    Args:
        archive: whose shards
        workers: actors at most; Ray starts as many of them as there is room and work for
        address: of a running cluster; a local one is started if None
        device: where models in torch compute; each actor gets a GPU if it is one
        on_progress: called with the status of all workers

    Raises:
        ConfigError: Ray isn't installed
        SerTlError: what an actor raised
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            f'engine ray needs Ray, which isn\'t installed ({error}): pip install "ser_tl[ray]"'
        ) from error
    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=True, include_dashboard=False if address is None else None)
    done = set(find_done(archive))
    missing = [{"shard": shard} for shard in range(archive.shards) if shard not in done]
    gpu = device is not None and device != "cpu"
    results = ray.data.from_items(missing, override_num_blocks=len(missing)).map_batches(
        ShardActor,
        fn_constructor_kwargs={"folder": str(archive.folder), "device": device},
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, workers)),
        num_cpus=CPUS_AN_ACTOR,
        num_gpus=1 if gpu else 0,
        runtime_env={"env_vars": {"OMP_NUM_THREADS": "1"}},
    )
    for batch in results.iter_batches(batch_size=1, prefetch_batches=0):
        for content in filter(None, batch["error"].tolist()):
            name, message = json.loads(content)
            raise getattr(errors, name, SerTlError)(message)
        if on_progress is not None:
            on_progress(read_status(archive))
