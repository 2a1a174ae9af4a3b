"""Recordings through a queue: Celery, over Redis or another of its brokers.

    submit(queue, content) -> AsyncResult; the worker: predict -> answer in the result store, under the content's hash

A recording is known by its bytes and the model's name: submitted twice, it is one task with one answer. A message is
acknowledged when its answer is stored, so that a worker that is killed loses none; it comes back within
`visibility_seconds` (Celery's own default is an hour) and ten seconds, and within twice that where it was killed while
it took the message. What can't be answered goes to the queue of dead letters with the reason: recordings that can't be
used, failures that persist, and messages at which workers keep dying.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import Celery
from celery.result import AsyncResult

from ser_tl.errors import ConfigError
from ser_tl.inference import Predictor
from ser_tl.serving.delivery import MOST_DELIVERIES, MOST_RETRIES, describe_deaths, describe_failure, retry_pause
from ser_tl.serving.lost_messages import TASK, RestoreLostMessages, seconds_between
from ser_tl.serving.waiting import WaitingRecordings, uses_redis

QUEUE = "ser_tl"
DEAD_LETTERS = "ser_tl.dead"


@dataclass(frozen=True)
class QueueSettings:
    """Where messages and answers lie.

    Args:
        broker: `redis://HOST:PORT/0`, or another address that Celery takes
        results: likewise, of a store that counts (Redis); the broker if None
        visibility_seconds: after which a message comes back whose worker was killed; longer than the longest recording
            takes
        result_seconds: that answers are kept

    Raises:
        ConfigError: no address, or no time
    """

    broker: str
    results: str | None = None
    visibility_seconds: int = 120
    result_seconds: int = 86_400

    def __post_init__(self) -> None:
        if "://" not in self.broker:
            raise ConfigError(f"broker {self.broker}: expected an address such as redis://127.0.0.1:6379/0")
        if self.visibility_seconds < 1 or self.result_seconds < 1:
            raise ConfigError("visibility_seconds and `result_seconds`: expected at least 1")


def open_queue(settings: QueueSettings) -> Celery:
    """The queue, for who submits and for workers. Messages are JSON: nothing that arrives is executed."""
    queue = Celery("ser_tl", broker=settings.broker, backend=settings.results or settings.broker)
    queue.conf.update(
        task_default_queue=QUEUE,
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": settings.visibility_seconds,
            # Redis: a worker that is killed while it looks for lost messages keeps the others from it (Celery: 300 s).
            "unacked_mutex_expire": seconds_between(settings.visibility_seconds),
        },
        result_expires=settings.result_seconds,
    )
    queue.steps["consumer"].add(RestoreLostMessages)  # ty: ignore[not-subscriptable] - filled when it is made
    return queue


def submit(queue: Celery, content: bytes, model: str = "") -> AsyncResult:
    """Sends a recording to the workers, unless its answer is there.

    Args:
        queue: from `open_queue`
        content: an encoded file
        model: a name or version that tells answers of different models apart

    Returns:
        Celery's handle: `.get(timeout=...)` is the answer, `{"label": ...}` or `{"error": ...}`.
    """
    identity = hashlib.sha256(model.encode() + b"\0" + content).hexdigest()
    result = AsyncResult(identity, app=queue)
    if result.ready():
        return result
    recording = base64.b64encode(content).decode()
    if not uses_redis(queue):
        queue.send_task(TASK, [recording], task_id=identity)
    elif WaitingRecordings(queue).add(identity, recording):
        queue.send_task(TASK, task_id=identity)
    return result


def add_prediction(queue: Celery, model: str | Path | None, device: str | None = None) -> None:
    """Registers the task that workers carry out. The model is loaded in each of their processes, with its first task.

    Args:
        queue: from `open_queue`
        model: as for `Predictor`
        device: likewise
    """
    loaded: list[Predictor] = []
    waiting = WaitingRecordings(queue) if uses_redis(queue) else None

    def forget(task: Any, result: Any, identity: str, *_: Any) -> None:  # noqa: ANN401, ARG001 - Celery's
        if waiting is not None:
            waiting.remove(identity)

    @queue.task(name=TASK, bind=True, max_retries=MOST_RETRIES, on_success=forget)
    def predict(task: Any, encoded: str | None = None) -> dict[str, Any]:  # noqa: ANN401 - Celery's
        earlier = AsyncResult(task.request.id, app=queue)
        if earlier.successful():  # it was answered, and only the acknowledgement is missing
            return earlier.result
        if encoded is None and waiting is not None:
            encoded = waiting.read(task.request.id)
        if encoded is None:
            return {"error": "the broker has lost the recording; submitted for another `model` name, it is a new task"}
        if not task.request.retries and _count_delivery(queue, task.request.id) > MOST_DELIVERIES:
            return _bury(queue, task.request.id, encoded, describe_deaths())
        if not loaded:
            loaded.append(Predictor(model, device=device))
        try:
            (prediction,) = loaded[0].predict([base64.b64decode(encoded)], on_error="report")
        except Exception as error:
            if task.request.retries == MOST_RETRIES:
                return _bury(queue, task.request.id, encoded, describe_failure(error))
            raise task.retry(exc=error, countdown=retry_pause(task.request.retries)) from error
        if prediction.error is not None:
            return _bury(queue, task.request.id, encoded, prediction.error)
        return prediction.to_dict()


def run_worker(queue: Celery, processes: int) -> None:
    """Works until SIGTERM, which lets it finish what it has begun.

    Args:
        queue: with the task of `add_prediction`
        processes: that compute at once
    """
    queue.worker_main(
        ["worker", "--loglevel=WARNING", f"--concurrency={processes}", "--without-gossip", "--without-mingle"]
    )


def _count_delivery(queue: Celery, identity: str) -> int:
    """How often a message has come, this time counted."""
    return int(queue.backend.incr(f"ser_tl-deliveries-{identity}"))


def _bury(queue: Celery, identity: str, encoded: str, reason: str) -> dict[str, Any]:
    """Puts a message where somebody can look at it; the answer tells why."""
    with queue.connection_for_write() as connection, connection.SimpleQueue(DEAD_LETTERS) as dead:
        dead.put({"id": identity, "reason": reason, "recording": encoded}, serializer="json")
    return {"error": reason}
