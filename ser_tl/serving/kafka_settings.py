"""Where a Kafka worker finds its recordings, and how its clients are configured. Doesn't need Kafka's library."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ser_tl.errors import ConfigError

SCHEME = "kafka://"

_SESSION_SECONDS = 45  # librdkafka's own: without a heartbeat for so long, a worker's partitions go to another
_OURS = ("bootstrap.servers", "group.id", "enable.auto.commit", "enable.auto.offset.store", "acks")


@dataclass(frozen=True)
class KafkaSettings:
    """Brokers and topics.

    Args:
        servers: `HOST:PORT`, or several, separated by commas
        topic: of recordings; answers go to `TOPIC.answers`, what can't be answered to `TOPIC.dead`
        group: workers of one group share a topic's partitions
        visibility_seconds: after which a worker that makes no progress loses its partitions; longer than 16 recordings
            take
        properties: librdkafka's, for both clients: TLS, SASL

    Raises:
        ConfigError: an address, name or property that can't be used
    """

    servers: str
    topic: str = "ser_tl"
    group: str = "ser_tl"
    visibility_seconds: int = 120
    properties: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        wrong = [server for server in self.servers.split(",") if not server.rpartition(":")[2].isdecimal()]
        if wrong:
            raise ConfigError(f"broker {SCHEME}{self.servers}: {wrong[0]!r} has no port: expected {SCHEME}HOST:9092")
        if not self.topic or not self.group:
            raise ConfigError("topic and `group`: expected names")
        if self.visibility_seconds < 10:
            raise ConfigError("visibility_seconds: expected at least 10 with Kafka, or workers lose what they compute")
        taken = [name for name in _OURS if name in self.properties]
        if taken:
            raise ConfigError(f"kafka_properties: {taken[0]} is the worker's own: leave it out")

    @property
    def answers(self) -> str:
        """The topic of answers."""
        return f"{self.topic}.answers"

    @property
    def dead_letters(self) -> str:
        """The topic of what couldn't be answered."""
        return f"{self.topic}.dead"

    @property
    def consumer(self) -> dict[str, Any]:
        """The consumer's configuration: offsets are committed by the worker alone, and nothing is skipped."""
        return {
            "auto.offset.reset": "earliest",
            "max.poll.interval.ms": 1000 * self.visibility_seconds,
            "session.timeout.ms": 1000 * min(_SESSION_SECONDS, self.visibility_seconds),
            **self.properties,
            "bootstrap.servers": self.servers,
            "group.id": self.group,
            "enable.auto.commit": False,
        }

    @property
    def producer(self) -> dict[str, Any]:
        """The producer's: an answer counts when all replicas in sync have it, in order and without repetition."""
        return {"enable.idempotence": True, **self.properties, "bootstrap.servers": self.servers, "acks": "all"}


def read_properties(path: Path | None) -> dict[str, str]:
    """The properties of a file: `name=value` a line, `#` begins a comment.

    Args:
        path: the file; none if None

    Raises:
        ConfigError: it can't be read, or a line is none
    """
    if path is None:
        return {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"kafka_properties {path}: can't be read ({error}): name a text file") from None
    properties: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, sign, value = text.partition("=")
        if not sign or not name.strip():  # not the line itself: it may be a password
            raise ConfigError(f"kafka_properties {path}: line {number}: expected name=value, as librdkafka has them")
        properties[name.strip()] = value.strip()
    return properties
