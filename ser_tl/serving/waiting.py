"""Recordings that wait for their answer, kept in Redis beside the messages of the queue.

    ser_tl.waiting   task id -> recording, from `submit` until its answer is stored

Celery takes a message from Redis in one step and notes in a second one who has it: a worker that is killed between the
two loses it. So messages contain the task's id alone, and what waits without a message gets a new one.
"""

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery

WAITING = "ser_tl.waiting"
_SEEN = "ser_tl.waiting.without_message"
_TURN = "ser_tl.waiting.turn"
_PAGE = 1000


class WaitingRecordings:
    """The recordings of a queue that are not answered.

    Args:
        queue: from `open_queue`
    """

    def __init__(self, queue: Celery) -> None:
        self._queue = queue

    def add(self, identity: str, recording: str) -> bool:
        """Keeps a recording until it is answered.

        Args:
            identity: of its task
            recording: an encoded file, as base64

        Returns:
            Whether it is new.
        """
        with self._open() as client:
            return bool(client.hsetnx(WAITING, identity, recording))

    def read(self, identity: str) -> str | None:
        """The recording of a task; None if it doesn't wait."""
        with self._open() as client:
            recording = client.hget(WAITING, identity)
        return None if recording is None else recording.decode()

    def remove(self, identity: str) -> None:
        """Forgets a recording, whose answer is stored."""
        with self._open() as client:
            client.hdel(WAITING, identity)

    @contextmanager
    def _open(self) -> Generator[Any]:
        with self._queue.pool.acquire(block=True) as connection:
            yield connection.default_channel.client


def uses_redis(queue: Celery) -> bool:
    """Whether the queue's broker is Redis, whose messages can be lost."""
    with queue.pool.acquire(block=True) as connection:
        return connection.transport.driver_type == "redis"


def find_lost(channel: Any, queue_name: str, seconds: float) -> list[str]:  # noqa: ANN401 - kombu's, of Redis
    """Ids of recordings that wait without a message, and did when this was asked before; one worker asks at a time.

    Once isn't enough: a message that is taken just then is neither in the queue nor with a worker.

    Args:
        channel: of the worker
        queue_name: of the messages
        seconds: between two times that this is asked
    """
    with channel.conn_or_acquire() as client:
        if not client.set(_TURN, 1, nx=True, px=int(900 * seconds)):
            return []
        missing = set(client.hkeys(WAITING))  # read first: what is answered meanwhile is missing once
        if missing:
            missing -= {identity.encode() for identity in _read_identities(client, channel.unacked_key, queue_name)}
        again = missing & set(client.smembers(_SEEN))
        with client.pipeline() as pipeline:
            pipeline.delete(_SEEN)
            if missing - again:
                pipeline.sadd(_SEEN, *(missing - again))
            pipeline.execute()
    return sorted(identity.decode() for identity in again)


def _read_identities(client: Any, unacked: str, queue_name: str) -> Iterator[str]:  # noqa: ANN401
    """Of all messages: new ones are put before the first, workers take the last, so that no page is skipped."""
    for start in range(0, client.llen(queue_name), _PAGE):
        for message in client.lrange(queue_name, start, start + _PAGE - 1):
            yield json.loads(message)["headers"]["id"]
    for taken in client.hvals(unacked):
        message, *_ = json.loads(taken)
        yield message["headers"]["id"]
