"""`ser-tl worker`: recordings from a queue."""

import argparse
import os
from importlib.util import find_spec
from typing import Any

from ser_tl.errors import ConfigError


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments, in argparse's own terms."""
    parser.add_argument("model", type=str, nargs="?", default=None, help="as of `serve`; the bundled one if left out")
    parser.add_argument("--broker", type=str, required=True, help="redis://HOST:PORT/0")
    parser.add_argument("--results", type=str, default=None, help="where answers go; the broker if left out")
    parser.add_argument("--processes", type=int, default=1, help="that compute at once")
    parser.add_argument("--device", type=str, default=None, help="for models in torch; a GPU if there is one")
    parser.add_argument(
        "--visibility_seconds", type=int, default=120, help="after which the message of a killed worker comes back"
    )
    parser.add_argument("--result_seconds", type=int, default=86_400, help="that answers are kept")


def worker(options: Any) -> int:  # noqa: ANN401 - argparse's or jsonargparse's
    """Works until a signal ends it."""
    if find_spec("celery") is None or find_spec("redis") is None:
        raise ConfigError('workers need celery and redis: pip install "ser_tl[queue]"')
    from ser_tl.serving.tasks import QueueSettings, add_prediction, open_queue, run_worker

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported
    queue = open_queue(
        QueueSettings(options.broker, options.results, options.visibility_seconds, options.result_seconds)
    )
    add_prediction(queue, options.model, options.device)
    run_worker(queue, options.processes)
    return 0
