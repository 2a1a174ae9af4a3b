"""Recordings through Kafka: one topic in, keyed answers out, dead letters beside them.

    TOPIC --KafkaWorker(settings, predict).run()--> TOPIC.answers, TOPIC.dead

At least once: an offset is committed when the brokers have confirmed the answers before it, so that a worker that is
killed loses none, and may answer some twice. Answers have their message's key (the recording's SHA-256 where it has
none) and the recording's hash, by which a repetition is known; a compacted topic keeps the last answer of a key.
"""

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from ser_tl.errors import ConfigError, QueueError
from ser_tl.inference import Prediction
from ser_tl.serving.delivery import MOST_DELIVERIES, MOST_RETRIES, describe_deaths, describe_failure, retry_pause
from ser_tl.serving.kafka_settings import SCHEME, KafkaSettings
from ser_tl.serving.logs import LOGGER, log_event

_CONNECT_SECONDS = 10.0
_CONFIRM_SECONDS = 60.0  # that brokers have to confirm answers
_POLL_SECONDS = 0.5  # between looks at whether the worker shall end
_CLOSE_SECONDS = 10.0  # that the group has to say goodbye
_BATCH = 16  # recordings between two commits

Predict = Callable[[list[bytes]], list[Prediction]]
"""An answer for each recording, with `Prediction.error` for those that can't be used; raises if the model fails."""

_Partition = tuple[str, int]
_Headers = list[tuple[str, str | bytes | None]]


class KafkaWorker:
    """Answers for recordings until it is stopped.

    Several workers of one group share the topic's partitions: start as many as are to compute at once.

    A worker that is about to compute notes the attempt beside the committed offset. If it is killed, its successor
    reads the note, takes recordings one at a time, and after three deaths puts the one that it always stops at to the
    dead letters.

    Args:
        settings: brokers and topics
        predict: the model's answers

    Raises:
        ConfigError: no broker answers, or a property that librdkafka doesn't know
    """

    def __init__(self, settings: KafkaSettings, predict: Predict) -> None:
        self._settings = settings
        self._predict = predict
        self._stop = threading.Event()
        self._attempts: dict[_Partition, tuple[int, int]] = {}  # that earlier workers noted: offset, their number
        self._careful: dict[_Partition, int] = {}  # recordings that are still to be taken one at a time
        self._failed: list[KafkaError] = []
        try:
            self._producer = Producer(settings.producer, logger=LOGGER)
            self._consumer = Consumer(settings.consumer, logger=LOGGER)
            self._consumer.list_topics(timeout=_CONNECT_SECONDS)
        except KafkaException as error:
            raise ConfigError(
                f"broker {SCHEME}{settings.servers}: {error.args[0].str()}: check the address and `kafka_properties`"
            ) from error

    def stop(self) -> None:
        """Ends the worker when it has answered what it has taken. Signal handlers may call it."""
        self._stop.set()

    def run(self) -> None:
        """Answers until `stop`.

        Raises:
            QueueError: brokers don't confirm answers; what they lack is answered again by the next worker
        """
        self._consumer.subscribe([self._settings.topic], on_assign=self._read_attempts)
        log_event("consuming", topic=self._settings.topic, group=self._settings.group)
        try:
            while not self._stop.is_set():
                self._answer_all(self._consumer.consume(_BATCH, timeout=_POLL_SECONDS))
        finally:
            self._close()

    def _close(self) -> None:
        """Leaves the group. Where its brokers are gone, librdkafka may wait for them for ever."""
        leaving = threading.Thread(target=self._leave, daemon=True)
        leaving.start()
        leaving.join(_CLOSE_SECONDS)
        if leaving.is_alive():
            log_event("left without goodbye", group=self._settings.group, seconds=_CLOSE_SECONDS)

    def _leave(self) -> None:
        try:
            self._consumer.list_topics(self._settings.topic, timeout=_CLOSE_SECONDS / 2)
        except KafkaException as error:  # no broker to say goodbye to: `close` could never end
            log_event("left without goodbye", group=self._settings.group, reason=error.args[0].str())
            del self._consumer  # ends its threads without a goodbye
        else:
            self._consumer.close()

    def _read_attempts(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for committed in consumer.committed(partitions, timeout=_CONNECT_SECONDS):
            partition = committed.topic, committed.partition
            note = committed.metadata or ""
            attempts = int(note) if note.isdecimal() else 0
            self._attempts[partition] = committed.offset, attempts
            self._careful[partition] = _BATCH if attempts else 0

    def _answer_all(self, messages: Sequence[Message]) -> None:
        """Answers what one poll brought, partition by partition."""
        waiting: dict[_Partition, list[Message]] = {}
        for message in messages:
            error = message.error()
            if error is None:
                topic, partition, _ = _position(message)
                waiting.setdefault((topic, partition), []).append(message)
            elif error.fatal():
                raise QueueError(f"the consumer can't go on: {error.str()}: start it again")
            else:  # such as a topic that isn't there yet
                log_event("waiting", logging.WARNING, reason=error.str())
        for source, batch in waiting.items():
            while batch and not self._stop.is_set():
                count = 1 if self._careful.get(source, 0) > 0 else len(batch)
                if not self._answer(source, batch[:count]):
                    return
                self._careful[source] = max(0, self._careful.get(source, 0) - count)
                batch = batch[count:]

    def _answer(self, partition: _Partition, messages: list[Message]) -> bool:
        """Answers some messages of one partition, and commits. Returns whether it did: False if it was stopped."""
        first = _position(messages[0])[2]
        offset, earlier = self._attempts.pop(partition, (first, 0))
        attempt = earlier + 1 if offset == first else 1
        if attempt > MOST_DELIVERIES:
            answers: list[dict[str, Any]] | None = [{"error": describe_deaths()} for _ in messages]
        else:
            self._commit(partition, first, str(attempt))
            answers = self._compute(messages)
        if answers is None:
            self._attempts[partition] = first, earlier
            self._commit(partition, first, str(earlier or ""))  # nobody died at it
            return False
        for message, answer in zip(messages, answers, strict=True):
            self._send(message, answer)
        self._confirm()
        self._commit(partition, _position(messages[-1])[2] + 1, "")
        return True

    def _compute(self, messages: list[Message]) -> list[dict[str, Any]] | None:
        """The answers; None if the worker was stopped while a failure of the model waited to be tried again."""
        try:
            return self._predict_dicts(messages)
        except Exception as error:  # whatever the model's runtime raises
            if len(messages) > 1:  # only one of them may be at fault
                return self._compute_each(messages)
            failure = error
        for retries in range(MOST_RETRIES):
            log_event("trying again", logging.WARNING, reason=str(failure), seconds=retry_pause(retries))
            if self._stop.wait(retry_pause(retries)):
                return None
            try:
                return self._predict_dicts(messages)
            except Exception as error:
                failure = error
        return [{"error": describe_failure(failure)}]

    def _compute_each(self, messages: list[Message]) -> list[dict[str, Any]] | None:
        answers: list[dict[str, Any]] = []
        for message in messages:
            answer = self._compute([message])
            if answer is None:
                return None
            answers += answer
        return answers

    def _predict_dicts(self, messages: list[Message]) -> list[dict[str, Any]]:
        return [prediction.to_dict() for prediction in self._predict([message.value() or b"" for message in messages])]

    def _send(self, message: Message, answer: dict[str, Any]) -> None:
        content = message.value() or b""
        identity = hashlib.sha256(content).hexdigest()
        message_key = message.key()
        key = identity.encode() if message_key is None else message_key
        source = "/".join(map(str, _position(message)))
        headers: _Headers = [("ser_tl-source", source.encode())]
        if "error" in answer:
            log_event("dead letter", logging.WARNING, source=source, reason=answer["error"])
            received = cast(_Headers, message.headers() or [])  # which a consumer's messages have in this form
            letter: _Headers = [*received, *headers, ("ser_tl-reason", answer["error"].encode())]
            try:
                self._produce(self._settings.dead_letters, key, content, letter)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise
                self._produce(self._settings.dead_letters, key, b"", letter)  # `source` says where it lies
        value = json.dumps({"id": identity, **answer}).encode()
        self._produce(self._settings.answers, key, value, headers)

    def _produce(self, topic: str, key: str | bytes, value: str | bytes, headers: _Headers) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, headers=headers, on_delivery=self._note_delivery)
                return
            except BufferError:  # the queue to the brokers is full
                self._producer.poll(_POLL_SECONDS)

    def _note_delivery(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error)

    def _confirm(self) -> None:
        """Waits until brokers have all that was sent.

        Raises:
            QueueError: they haven't
        """
        left = self._producer.flush(_CONFIRM_SECONDS)
        if left or self._failed:
            reason = self._failed[0].str() if self._failed else f"no confirmation for {_CONFIRM_SECONDS:g} s"
            raise QueueError(f"brokers didn't confirm answers ({reason}): nothing is lost; start the worker again")

    def _commit(self, partition: _Partition, offset: int, note: str) -> None:
        """Commits, with a note of how many workers have begun here; waits for it if there is none."""
        position = TopicPartition(*partition, offset, metadata=note)
        try:
            self._consumer.commit(offsets=[position], asynchronous=bool(note))
        except KafkaException as error:  # the partition went to another worker, which answers again
            log_event("not committed", logging.WARNING, reason=error.args[0].str())


def _position(message: Message) -> tuple[str, int, int]:
    """Topic, partition and offset, which each message of a consumer has."""
    return cast(tuple[str, int, int], (message.topic(), message.partition(), message.offset()))
