"""The Kafka worker against librdkafka's own mock brokers: at least one answer for each recording, whatever dies."""

import hashlib
import json
import signal
import subprocess
import threading
import time
from collections import Counter

import pytest

from ser_tl.cli import main
from ser_tl.errors import ConfigError, QueueError
from ser_tl.inference import Prediction, Predictor
from ser_tl.model import EmotionModel, ModelConfig
from ser_tl.serving.kafka_settings import KafkaSettings
from tests.encoders.tiny import clip, tiny
from tests.forked import forked_python
from tests.serving.running import encode, wait_for
from tests.test_model import LABELS

pytest.importorskip("confluent_kafka", reason='needs pip install "ser_tl[kafka]"')

import confluent_kafka as kafka

from ser_tl.serving.kafka import KafkaWorker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
QUICK = {"session.timeout.ms": "3000", "heartbeat.interval.ms": "300"}  # so that a dead worker is missed soon


class Killed(BaseException):
    """In the place of SIGKILL, which would end the tests as well."""


class Cluster:
    """Mock brokers, which live in a producer of this process and listen on real ports."""

    def __init__(self):
        self.producer = kafka.Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 2, "log_level": 3})
        brokers = self.producer.list_topics(timeout=10).brokers.values()
        self.servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        self.settings = KafkaSettings(self.servers, properties=QUICK)

    def send(self, content, key=None, headers=None, partition=-1):
        self.producer.produce("ser_tl", content, key, partition, headers=headers)
        assert self.producer.flush(10) == 0

    def read(self, topic, seconds, enough=None):
        """The messages of a topic, from its beginning: until there are enough, or nothing follows in a moment."""
        reader = {"group.id": "reader", "auto.offset.reset": "earliest", "enable.auto.commit": False}
        consumer = kafka.Consumer({**reader, "bootstrap.servers": self.servers, "log_level": 3})
        partitions = self.producer.list_topics(topic, timeout=10).topics[topic].partitions  # makes it, too
        consumer.assign([kafka.TopicPartition(topic, number, 0) for number in partitions])
        found, last = [], time.monotonic()
        while time.monotonic() < last + (seconds if enough or not found else 1.5) and not (enough and enough(found)):
            for message in consumer.consume(100, timeout=0.3):
                assert message.error() is None
                found.append(message)
                last = time.monotonic()
        consumer.close()
        return found

    def lag(self, group="ser_tl"):
        """Recordings that aren't committed yet, and the notes beside the commits."""
        consumer = kafka.Consumer({"group.id": group, "bootstrap.servers": self.servers, "log_level": 3})
        numbers = consumer.list_topics("ser_tl", timeout=10).topics["ser_tl"].partitions
        committed = consumer.committed([kafka.TopicPartition("ser_tl", number) for number in numbers], timeout=10)
        ends = [consumer.get_watermark_offsets(place, timeout=10)[1] for place in committed]
        consumer.close()
        left = sum(end - max(0, place.offset) for place, end in zip(committed, ends, strict=True))
        return left, [place.metadata for place in committed if place.metadata]

    def work(self, predict, answers, settings=None):
        """Runs a worker until there are so many answers."""
        worker = KafkaWorker(settings or self.settings, predict)
        errors = []

        def run():
            try:
                worker.run()
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            found = self.read("ser_tl.answers", 30, lambda found: len(found) >= answers or not thread.is_alive())
        finally:
            worker.stop()
            thread.join(30)
        assert not thread.is_alive()
        if errors:
            raise errors[0]
        return found


@pytest.fixture
def cluster():
    return Cluster()


def read_letters(content):
    """A model that answers with the text that it is given; refuses `damaged`, and nothing."""
    return [
        Prediction("", {}, error="damaged recording") if one in (b"damaged", b"") else Prediction(one.decode(), {})
        for one in content
    ]


def test_answers_have_their_recordings_keys_and_poison_goes_to_the_dead_letters(cluster):
    cluster.send(b"one", key="first")
    cluster.send(b"damaged", key="second", headers=[("mine", b"kept")])
    cluster.send(b"three")
    found = {message.key(): json.loads(message.value()) for message in cluster.work(read_letters, 3)}
    hashes = {content: hashlib.sha256(content).hexdigest() for content in (b"one", b"damaged", b"three")}
    assert found[b"first"] == {"id": hashes[b"one"], **Prediction("one", {}).to_dict()}
    assert found[b"second"] == {"id": hashes[b"damaged"], "error": "damaged recording"}
    assert found[hashes[b"three"].encode()]["label"] == "three"
    (letter,) = cluster.read("ser_tl.dead", 3)
    headers = dict(letter.headers())
    assert (letter.key(), letter.value(), headers["mine"]) == (b"second", b"damaged", b"kept")
    assert headers["ser_tl-reason"] == b"damaged recording"
    topic, partition, offset = headers["ser_tl-source"].decode().split("/")
    assert (topic, partition.isdecimal(), offset.isdecimal()) == ("ser_tl", True, True)
    assert cluster.lag() == (0, [])


def test_a_message_without_content_is_poison_and_nothing_stops_at_it(cluster):
    cluster.send(None, key="empty", partition=0)
    cluster.send(b"after", key="after", partition=0)
    found = {message.key(): json.loads(message.value()) for message in cluster.work(read_letters, 2)}
    assert found[b"empty"]["error"] == "damaged recording"
    assert found[b"after"]["label"] == "after"
    assert [letter.key() for letter in cluster.read("ser_tl.dead", 3)] == [b"empty"]


def test_a_model_that_fails_is_tried_again_and_fails_alone(cluster, monkeypatch):
    monkeypatch.setattr("ser_tl.serving.kafka.retry_pause", lambda retries: 0.01)
    tries = Counter()

    def predict(contents):
        tries.update(contents)
        if b"bad" in contents or (b"moody" in contents and tries[b"moody"] < 3):
            raise RuntimeError("the model broke")
        return read_letters(contents)

    for content in (b"good", b"bad", b"moody", b"fine"):
        cluster.send(content, key=content, partition=1)
    found = {message.key(): json.loads(message.value()) for message in cluster.work(predict, 4)}
    assert found[b"bad"]["error"] == "failed 4 times: the model broke"
    assert [found[key]["label"] for key in (b"good", b"moody", b"fine")] == ["good", "moody", "fine"]
    assert [letter.key() for letter in cluster.read("ser_tl.dead", 3)] == [b"bad"]
    assert cluster.lag() == (0, [])


def test_a_recording_that_kills_three_workers_is_buried_and_the_others_are_answered(cluster):
    contents = [b"a", b"b", b"killer", b"c"]
    for content in contents:
        cluster.send(content, key=content, partition=2)

    def predict(batch):
        if b"killer" in batch:
            raise Killed
        return read_letters(batch)

    deaths = 0
    while deaths < 10:
        try:
            found = cluster.work(predict, 4)
            break
        except Killed:
            deaths += 1
    assert deaths == 4  # one of all that were taken together, and three at it alone
    answers = {message.key(): json.loads(message.value()) for message in found}
    assert answers[b"killer"]["error"] == "3 workers died at it"
    assert [answers[key]["label"] for key in (b"a", b"b", b"c")] == ["a", "b", "c"]
    assert len(found) == 4  # nothing twice, since each was committed
    assert cluster.lag() == (0, [])


def test_what_was_not_computed_when_the_worker_was_stopped_comes_again(cluster):
    cluster.send(b"slow", key="slow", partition=0)
    entered = threading.Event()

    def fail(contents):
        entered.set()
        raise RuntimeError("not now")

    worker = KafkaWorker(cluster.settings, fail)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    assert entered.wait(30)
    worker.stop()
    thread.join(30)
    assert not thread.is_alive()
    assert cluster.lag()[0] == 1
    assert cluster.lag()[1] == []  # nobody died
    assert [json.loads(message.value())["label"] for message in cluster.work(read_letters, 1)] == ["slow"]


def test_a_recording_too_large_for_the_dead_letters_leaves_its_place(cluster):
    cluster.send(b"damaged", key="big")
    settings = KafkaSettings(cluster.servers, properties=QUICK | {"message.max.bytes": "1000"})

    def refuse(contents):
        return [Prediction("", {}, error="x" * 10) for _ in contents]

    worker = KafkaWorker(settings, refuse)
    produce = worker._producer.produce
    sizes = []

    class Small:
        """A broker that takes no large messages."""

        def __getattr__(self, name):
            return getattr(inner, name)

        def produce(self, topic, value, *arguments, **options):
            sizes.append(len(value))
            produce(topic, value + bytes(2000) if value == b"damaged" else value, *arguments, **options)

    inner, worker._producer = worker._producer, Small()
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    (letter,) = cluster.read("ser_tl.dead", 30, lambda found: len(found) == 1)
    worker.stop()
    thread.join(30)
    assert (letter.value() or b"", dict(letter.headers())["ser_tl-reason"]) == (b"", b"x" * 10)


def test_brokers_that_confirm_nothing_end_the_worker(monkeypatch):
    monkeypatch.setattr("ser_tl.serving.kafka._CONFIRM_SECONDS", 2.0)
    monkeypatch.setattr("ser_tl.serving.kafka._CLOSE_SECONDS", 2.0)
    brokers = [Cluster()]
    brokers[0].send(b"one")

    def predict(contents):
        brokers.clear()  # they are gone
        return read_letters(contents)

    worker = KafkaWorker(brokers[0].settings, predict)
    threads = set(threading.enumerate())
    with pytest.raises(QueueError, match="didn't confirm"):
        worker.run()
    assert set(threading.enumerate()) <= threads  # nothing is left that would wait for them for ever


def test_brokers_that_never_say_goodbye_dont_keep_the_worker(cluster, monkeypatch):
    monkeypatch.setattr("ser_tl.serving.kafka._CLOSE_SECONDS", 0.2)
    worker, gone = KafkaWorker(cluster.settings, read_letters), threading.Event()

    class Waiting:
        """A consumer that waits for its brokers while it closes."""

        def __getattr__(self, name):
            return getattr(inner, name)

        def close(self):
            gone.wait()

    inner, worker._consumer = worker._consumer, Waiting()
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    worker.stop()
    thread.join(10)
    ended = not thread.is_alive()
    gone.set()
    inner.close()
    assert ended


def test_a_killed_worker_loses_nothing(cluster, tmp_path):
    EmotionModel(tiny("wav2vec2"), LABELS, config=ModelConfig(hidden=8)).save_pretrained(tmp_path / "model")
    (tmp_path / "properties").write_text("\n".join(f"{name} = {value}" for name, value in QUICK.items()))
    command = [forked_python(), "-m", "ser_tl.cli", "worker", str(tmp_path / "model")]
    command += ["--broker", f"kafka://{cluster.servers}", "--kafka_properties", str(tmp_path / "properties")]
    contents = {f"{seed}": encode(0.5 * clip(4000 + 100 * seed, seed=seed).numpy()) for seed in range(60)}
    contents["poison"] = b"no recording"
    for key, content in contents.items():
        cluster.send(content, key=key)
    cluster.send(None, key="nothing")
    with subprocess.Popen(command) as first:
        early = cluster.read("ser_tl.answers", 180, lambda found: len(found) > 0)
        first.send_signal(signal.SIGKILL)
    assert len(early) > 0
    assert cluster.lag()[0] > 0
    with subprocess.Popen(command) as second:
        wait_for(lambda: cluster.lag()[0] == 0, 180)
        second.terminate()
        assert second.wait(60) == 0
    found = cluster.read("ser_tl.answers", 3)
    answers = {message.key().decode(): json.loads(message.value()) for message in found}
    assert set(answers) == {*contents, "nothing"}
    assert "error" in answers.pop("nothing")
    assert len(found) <= len(contents) + 1 + 16  # those of the last batch may have come twice
    assert "audio of 12 bytes" in answers.pop("poison")["error"]
    assert {letter.key() for letter in cluster.read("ser_tl.dead", 3)} == {b"poison", b"nothing"}
    del contents["poison"]
    expected = dict(zip(contents, Predictor(tmp_path / "model").predict(list(contents.values())), strict=True))
    for key, answer in answers.items():
        assert answer["label"] == expected[key].label
        assert answer["probabilities"] == pytest.approx(expected[key].probabilities, abs=1e-5)


def test_no_broker_is_told(capsys, monkeypatch):
    monkeypatch.setattr("ser_tl.serving.kafka._CONNECT_SECONDS", 1.0)
    with pytest.raises(ConfigError, match="check the address"):
        KafkaWorker(KafkaSettings("127.0.0.1:1", properties={"log_level": "0"}), read_letters)
    with pytest.raises(ConfigError, match=r"no\.such"):
        KafkaWorker(KafkaSettings("127.0.0.1:1", properties={"no.such": "1"}), read_letters)
    assert main(["worker", "--broker", "kafka://127.0.0.1:1", "--processes", "2"]) == 1
    assert "start one worker for each process" in capsys.readouterr().err
