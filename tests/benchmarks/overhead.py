"""What a request costs a server besides the model and decoding, in CPU time, which a busy machine changes least.

    python -m tests.benchmarks.overhead [MODEL] [--clients 1 16] [--requests 256] [--repeats 3]

One process of `ser-tl serve` with the whole application; the model and the decoder are timed by their threads' clocks
where they are called, and taken off the CPU time of the process. Clients are in another process, keep their connections
and send forms with one WAV file of emodb-mini. Answers aren't cached, and logs are written. Prints medians.
"""

import argparse
import contextlib
import http.client
import multiprocessing
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from ser_tl.serving import service
from ser_tl.serving.logs import configure_logs
from ser_tl.serving.models import load_model
from tests.benchmarks.serving import recordings
from tests.serving.running import Running, form


class Stopwatch:
    """CPU seconds of the threads that call a function."""

    def __init__(self, function):
        self.function, self.seconds = function, 0.0

    def __call__(self, *arguments, **options):
        begin = time.thread_time()
        try:
            return self.function(*arguments, **options)
        finally:
            self.seconds += time.thread_time() - begin


def ask(port, contents, clients, requests):
    """So many requests by so many clients."""
    bodies = [form(("clip.wav", content)) for content in contents]

    def run(first):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for number in range(first, requests, clients):
            body, kind = bodies[number % len(bodies)]
            connection.request("POST", "/v1/predict", body, {"Content-Type": kind})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
        connection.close()

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(run, range(clients)))


def measure(port, watches, arguments):
    """CPU ms of a request: of the process, and of each watched function."""
    client = multiprocessing.get_context("spawn").Process(target=ask, args=(port, *arguments))
    before = [time.process_time(), *(watch.seconds for watch in watches)]
    client.start()
    client.join()
    after = [time.process_time(), *(watch.seconds for watch in watches)]
    return [1000 * (late - early) / arguments[-1] for early, late in zip(before, after, strict=True)]


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", help="as of `ser-tl serve`; the bundled one if left out")
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 16])
    parser.add_argument("--requests", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    contents = recordings(32)
    session = load_model("model", options.model, None).session
    session.run = compute = Stopwatch(session.run)
    service.decode_upload = decode = Stopwatch(service.decode_upload)
    print("| clients | CPU ms a request | model | decoding | the rest |\n|---|---|---|---|---|")
    with Path(os.devnull).open("w") as log, contextlib.redirect_stderr(log):
        configure_logs()
        with Running(session, cache_answers=0) as server:
            ask(server.port, contents, 1, 8)
            for clients in options.clients:
                runs = [
                    measure(server.port, (compute, decode), (contents, clients, options.requests))
                    for _ in range(options.repeats)
                ]
                rows = [(*run, run[0] - run[1] - run[2]) for run in runs]
                print(
                    f"| {clients} | " + " | ".join(f"{median(column):.2f}" for column in zip(*rows, strict=True)) + " |"
                )
    print(Path("/proc/loadavg").read_text().split()[0], "load")


if __name__ == "__main__":
    main()
