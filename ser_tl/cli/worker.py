"""`ser-tl worker`: recordings from a queue."""

import argparse
import os
import signal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ser_tl.errors import ConfigError
from ser_tl.serving.kafka_settings import SCHEME, KafkaSettings, read_properties


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments, in argparse's own terms."""
    parser.add_argument(
        "model", type=str, nargs="?", default=None, help="as in `ser-tl serve`; by default the bundled one"
    )
    parser.add_argument("--broker", type=str, required=True, help="the queue: redis://HOST:PORT/0 or kafka://HOST:PORT")
    parser.add_argument(
        "--results", type=str, default=None, help="where answers are stored; by default the broker (Redis)"
    )
    parser.add_argument("--processes", type=int, default=1, help="number of computing processes (Redis)")
    parser.add_argument(
        "--device", type=str, default=None, help="device for models in torch; by default a GPU if there is one"
    )
    parser.add_argument(
        "--visibility_seconds",
        type=int,
        default=120,
        help="seconds after which a message of a dead worker is delivered again (Redis)",
    )
    parser.add_argument("--result_seconds", type=int, default=86_400, help="seconds for which answers are kept (Redis)")
    parser.add_argument(
        "--topic", type=str, default="ser_tl", help="topic of recordings; answers go to TOPIC.answers (Kafka)"
    )
    parser.add_argument(
        "--group", type=str, default="ser_tl", help="consumer group: its workers share the partitions (Kafka)"
    )
    parser.add_argument(
        "--kafka_properties",
        type=Path,
        default=None,
        help="file of librdkafka properties, such as TLS and SASL (Kafka)",
    )


def worker(options: Any) -> int:  # noqa: ANN401 - argparse's or jsonargparse's
    """Works until a signal ends it."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported
    if options.broker.startswith(SCHEME):
        _consume(options)
    else:
        _run_celery(options)
    return 0


def _run_celery(options: Any) -> None:  # noqa: ANN401
    if find_spec("celery") is None or find_spec("redis") is None:
        raise ConfigError('workers need celery and redis: pip install "ser_tl[queue]"')
    from ser_tl.serving.models import find_bundled
    from ser_tl.serving.tasks import QueueSettings, add_prediction, open_queue, run_worker

    queue = open_queue(
        QueueSettings(options.broker, options.results, options.visibility_seconds, options.result_seconds)
    )
    add_prediction(queue, options.model or find_bundled(options.device), options.device)
    run_worker(queue, options.processes)


def _consume(options: Any) -> None:  # noqa: ANN401
    if find_spec("confluent_kafka") is None:
        raise ConfigError('workers of Kafka need confluent-kafka: pip install "ser_tl[kafka]"')
    if options.processes != 1 or options.results is not None:
        raise ConfigError(
            "--processes and --results are Celery's: with Kafka start one worker for each process, at most one a "
            "partition; answers go to the topic TOPIC.answers"
        )
    from functools import partial

    from ser_tl.inference import Predictor
    from ser_tl.serving.kafka import KafkaWorker
    from ser_tl.serving.logs import configure_logs
    from ser_tl.serving.models import find_bundled

    configure_logs()
    settings = KafkaSettings(
        options.broker.removeprefix(SCHEME).rstrip("/"),
        options.topic,
        options.group,
        options.visibility_seconds,
        read_properties(options.kafka_properties),
    )
    predictor = Predictor(options.model or find_bundled(options.device), device=options.device)
    consumer = KafkaWorker(settings, partial(predictor.predict, on_error="report"))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: consumer.stop())
    consumer.run()
