"""The queue's worker against a real Redis: one answer for one recording, whatever dies meanwhile."""

import base64
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.encoders.tiny import clip
from tests.loudness import write_model
from tests.serving.running import encode, wait_for

pytest.importorskip("celery", reason='needs pip install "ser_tl[queue]"')
pytest.importorskip("redis", reason='needs pip install "ser_tl[queue]"')

from ser_tl.inference import Predictor
from ser_tl.serving.tasks import DEAD_LETTERS, QUEUE, QueueSettings, open_queue, submit
from ser_tl.serving.waiting import WAITING, find_lost

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


def test_a_worker_that_was_killed_while_it_looked_for_lost_messages_keeps_no_one_from_it(queue, broker, tmp_path):
    write_model(tmp_path / "model")
    result = submit(queue, encode(0.5 * clip(4000).numpy()))
    with queue.connection_for_read() as connection:
        channel = connection.default_channel
        message = channel.basic_get("ser_tl")  # taken, and never acknowledged
        assert message.delivery_info
        expire = channel.unacked_mutex_expire
        queue.backend.client.set(channel.unacked_mutex_key, "a dead worker's", px=1000 * expire)
        channel.qos._delivered.clear()  # what is left at the end would be given back
    with Worker(tmp_path / "model", broker):
        begin = time.monotonic()
        assert result.get(timeout=120)["label"]
        assert time.monotonic() - begin < 60


def test_a_message_that_was_lost_while_it_was_taken_is_sent_again(queue, broker, tmp_path):
    write_model(tmp_path / "model")
    redis = queue.backend.client
    results = [submit(queue, encode(0.5 * clip(4000 + seed).numpy())) for seed in range(2)]
    assert redis.rpop(QUEUE)  # what a worker does that is killed before it notes that it has the message
    with Worker(tmp_path / "model", broker):
        assert [bool(result.get(timeout=60)["label"]) for result in results] == [True, True]
        wait_for(lambda: not redis.exists(WAITING))
    assert max(int(redis.get(key)) for key in redis.keys("ser_tl-deliveries-*")) == 1


def test_what_waits_is_one_message_however_often_it_is_submitted(queue):
    redis = queue.backend.client
    for _ in range(3):
        submit(queue, b"the same recording")
    assert (redis.llen(QUEUE), redis.hlen(WAITING)) == (1, 1)
    assert "the same recording" not in str(redis.lrange(QUEUE, 0, -1))


def test_another_broker_has_the_recordings_in_its_messages():
    queue = open_queue(QueueSettings("memory://", results="cache+memory://"))
    submit(queue, b"a recording")
    with queue.connection_for_read() as connection:
        message = connection.default_channel.basic_get(QUEUE)
    arguments, *_ = message.decode()
    assert arguments == [base64.b64encode(b"a recording").decode()]


def test_only_what_has_no_message_twice_in_a_row_is_lost(queue):
    first, second, third = (submit(queue, bytes([number])).id for number in range(3))
    with queue.connection_for_read() as connection:
        channel = connection.default_channel

        def look():
            queue.backend.client.delete("ser_tl.waiting.turn")
            return find_lost(channel, QUEUE, 60)

        taken = channel.basic_get(QUEUE)  # a worker's: not lost
        assert taken.headers["id"] == first
        assert look() == look() == []
        lost = queue.backend.client.rpop(QUEUE)
        assert second.encode() in lost
        assert look() == []
        assert find_lost(channel, QUEUE, 60) == [], "another worker has just looked"
        assert look() == [second]
        assert look() == [], "it has a new message on its way"
        queue.backend.client.lpush(QUEUE, lost)
        assert look() == look() == []
        assert queue.backend.client.hkeys(WAITING) == [first.encode(), second.encode(), third.encode()]
        channel.basic_ack(taken.delivery_tag)


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
