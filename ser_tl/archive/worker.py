"""A worker: takes one shard after the other until all are there.

    run_worker(archive, predictor, share) -> ShardWorker.attempt(shard), for each shard that no other worker has

A worker's own share of the shards comes first, then what others left. Independent of who started it.
"""

import time
from collections.abc import Iterator
from typing import Literal, NamedTuple

from ser_tl.archive.crashes import find_crashing
from ser_tl.archive.description import Archive
from ser_tl.archive.journal import Journal
from ser_tl.archive.lease import PATIENCE_SECONDS, Heartbeat, Leases
from ser_tl.archive.shard import compute_shard
from ser_tl.errors import StorageError
from ser_tl.inference import Predictor

MOST_ATTEMPTS = 2
"""Workers that may be lost at a shard before its clips are tried one by one."""

PAUSE = 0.5
"""Seconds between looks at what others work on."""

Outcome = Literal["there", "leased", "computed"]


class Share(NamedTuple):
    """Which shards a worker takes first.

    Attributes:
        index: of the worker
        workers: how many there are, on all machines
        wait: stay until the last shard is there, to take over what others lose; else leave when all that is missing is
            being worked on by others that are alive
    """

    index: int = 0
    workers: int = 1
    wait: bool = True


class ShardWorker:
    """Computes shards of an archive.

    Args:
        archive: whose shards
        predictor: of its model
        heartbeat: keeps leases alive
        patience: seconds after which an owner on another machine counts as gone
    """

    def __init__(
        self, archive: Archive, predictor: Predictor, heartbeat: Heartbeat, patience: float = PATIENCE_SECONDS
    ) -> None:
        self.archive = archive
        self._predictor = predictor
        self._heartbeat = heartbeat
        self._leases = Leases(patience)
        self._journal = Journal(archive.journals)

    def attempt(self, shard: int) -> Outcome:
        """Computes a shard, unless it is there or somebody else works on it.

        Raises:
            SerTlError: it can't be computed or written
        """
        try:
            return self._attempt(shard)
        except OSError as error:  # of leases and journals; what writes a shard tells more
            raise StorageError(
                f"{self.archive.folder}: can't be written to ({error.strerror or error}): make room on its disk, and "
                f"start the same command again to go on"
            ) from error

    def _attempt(self, shard: int) -> Outcome:
        path = self.archive.shard_path(shard)
        if path.exists():
            return "there"
        lease = self._leases.acquire(self.archive.lease_path(shard))
        if lease is None:
            return "leased"
        self._heartbeat.lease = lease
        try:
            if path.exists():  # finished between the two looks
                return "there"
            begun = time.time()
            crashing = find_crashing(self.archive.read_clips(shard)) if lease.owner.attempts >= MOST_ATTEMPTS else ()
            self._journal.append(compute_shard(self.archive, shard, self._predictor, crashing), begun)
            return "computed"
        finally:
            self._heartbeat.lease = None
            lease.release()


def run_worker(worker: ShardWorker, share: Share, patience: float = PATIENCE_SECONDS) -> None:
    """Computes shards until all are there.

    Args:
        worker: who computes
        share: which come first
        patience: seconds that a worker which doesn't wait gives others to show that they are alive

    Raises:
        SerTlError: a shard can't be computed or written
    """
    archive = worker.archive
    pending = [shard for shard in order_shards(archive.shards, share) if not archive.shard_path(shard).exists()]
    busy = time.monotonic()
    while pending:
        left = []
        for shard in pending:
            outcome = worker.attempt(shard)
            if outcome == "computed":
                busy = time.monotonic()
            elif outcome == "leased":
                left.append(shard)
        pending = left
        if pending:
            if not share.wait and time.monotonic() - busy > patience + 2 * PAUSE:
                return
            time.sleep(PAUSE)


def order_shards(shards: int, share: Share) -> Iterator[int]:
    """All shards, a worker's own first, then those of the workers behind it.

    Args:
        shards: how many there are
        share: the worker's
    """
    for turn in range(share.workers):
        yield from range((share.index + turn) % share.workers, shards, share.workers)
