"""The queue's worker against a real Redis: one answer for one recording, whatever dies meanwhile."""

import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from tests.encoders.tiny import clip
from tests.loudness import write_model
from tests.serving.running import encode, wait_for

pytest.importorskip("celery", reason='needs pip install "ser_tl[queue]"')
pytest.importorskip("redis", reason='needs pip install "ser_tl[queue]"')

from ser_tl.inference import Predictor
from ser_tl.serving.tasks import DEAD_LETTERS, QueueSettings, open_queue, submit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server: apt-get install redis-server"),
    pytest.mark.timeout(600),
]


@pytest.fixture
def broker(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--dir", str(tmp_path), "--save", "", "--bind", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: not socket.socket().connect_ex(("127.0.0.1", port)))
        yield f"redis://127.0.0.1:{port}/0"
        process.terminate()


@pytest.fixture
def queue(broker):
    queue = open_queue(QueueSettings(broker, visibility_seconds=5))
    yield queue
    # Results unsubscribe when they are deleted, and without Redis each tries to for 20 s; those of a test that fails
    # live on in its traceback.
    queue.backend.result_consumer.cancel_for = lambda *_: None


class Worker:
    """`ser-tl worker`, with the processes that it starts, in a group of their own."""

    def __init__(self, model, broker):
        command = [sys.executable, "-m", "ser_tl.cli", "worker", str(model), "--broker", broker]
        command += ["--visibility_seconds", "5"]
        self.process = subprocess.Popen(command, start_new_session=True)

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


def test_a_killed_worker_loses_nothing_and_nothing_is_answered_twice(queue, broker, tmp_path):
    write_model(tmp_path / "model")
    redis = queue.backend.client
    contents = [encode(0.5 * clip(4000 + 100 * seed, seed=seed).numpy()) for seed in range(40)]
    with Worker(tmp_path / "model", broker) as first:
        results = [submit(queue, content) for content in contents]
        wait_for(lambda: any(result.ready() for result in results), 180)
        first.kill()
    answered = [result.id for result in results if result.ready()]
    stamps = {identity: redis.get(f"celery-task-meta-{identity}") for identity in answered}
    assert len(answered) > 0
    with Worker(tmp_path / "model", broker):
        found = [result.get(timeout=300) for result in results]
        poison = submit(queue, b"no recording")
        assert "audio of 12 bytes" in poison.get(timeout=60)["error"]
        again = [submit(queue, content).get(timeout=60) for content in contents]
    assert again == found
    assert {identity: redis.get(f"celery-task-meta-{identity}") for identity in answered} == stamps
    for answer, expected in zip(found, Predictor(tmp_path / "model").predict(contents), strict=True):
        assert answer["label"] == expected.label
        assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    with queue.connection_for_read() as connection, connection.SimpleQueue(DEAD_LETTERS) as dead:
        letter = dead.get(timeout=10).payload
        assert (letter["id"], "audio of 12 bytes" in letter["reason"]) == (poison.id, True)
        with pytest.raises(dead.Empty):
            dead.get(block=False)
    deliveries = [int(redis.get(key)) for key in redis.keys("ser_tl-deliveries-*")]
    assert len(deliveries) == len(contents) + 1
    assert max(deliveries) <= 2
