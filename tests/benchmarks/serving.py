"""`ser-tl serve` against a naive FastAPI app that calls transformers' pipeline, with an equal model, in the same run.

    python -m tests.benchmarks.serving [--clients 1 16 64] [--requests 128] [--repeats 3] [--workers 1] [--seconds 120]

Clients keep their connection and send their next recording, a WAV file of emodb-mini, when they have the last answer.
Both sides compute with one thread a process and take turns, so that whatever else the machine does meets both. Answers
aren't cached. Prints, as medians over the repeats, requests a second, latencies, and the CPU time of all of a side's
processes for a request, which a busy machine changes least.
"""

import argparse
import http.client
import io
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median, quantiles

import soundfile

from tests.benchmarks.predict import _make_models
from tests.serving.running import form

FIGURES = ("rate", "p50", "p95", "p99", "cpu")


class Side:
    """A server in processes of its own.

    Args:
        name: for the table
        command: with PORT for the port
        path: of predictions
        ready: a path that answers when it is ready
    """

    def __init__(self, name, command, path, ready):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.name, self.path, self.ready = name, path, ready
        self.command = [str(self.port) if part == "PORT" else str(part) for part in command]

    def __enter__(self):
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(self.command, env=environment, stderr=subprocess.DEVNULL)
        while not self._answers():
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name}: ended with {self.process.returncode}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def _answers(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", self.ready)
            return connection.getresponse().status == 200
        except OSError:
            return False

    def cpu(self):
        """Seconds of CPU time that its processes have taken."""
        total, waiting = 0.0, [self.process.pid]
        while waiting:
            number = waiting.pop()
            try:
                fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
                waiting += map(int, Path(f"/proc/{number}/task/{number}/children").read_text().split())
            except FileNotFoundError:
                continue
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return total


def load(side, contents, clients, requests, seconds):
    """Figures of so many requests by so many clients, at most so many seconds."""
    bodies = [form(("clip.wav", content)) for content in contents]
    taken, lock, left = [], threading.Lock(), iter(range(requests))
    deadline = time.monotonic() + seconds

    def run():
        connection = http.client.HTTPConnection("127.0.0.1", side.port, timeout=120)
        while time.monotonic() < deadline:
            with lock:
                number = next(left, None)
            if number is None:
                break
            body, kind = bodies[number % len(bodies)]
            begin = time.perf_counter()
            connection.request("POST", side.path, body, {"Content-Type": kind})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit(f"{side.name}: status {answer.status}")
            taken.append(time.perf_counter() - begin)
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(clients)]
    begin, cpu = time.perf_counter(), side.cpu()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall, cpu = time.perf_counter() - begin, side.cpu() - cpu
    cuts = quantiles(taken, n=100, method="inclusive")
    return {
        "rate": len(taken) / wall,
        "p50": 1000 * cuts[49],
        "p95": 1000 * cuts[94],
        "p99": 1000 * cuts[98],
        "cpu": 1000 * cpu / len(taken),
    }


def recordings(count):
    """Clips of emodb-mini as WAV files of 16 kHz."""
    import ser_tl as ser
    from ser_tl.data.audio import decode

    contents = []
    for row in ser.load_corpus("emodb-mini").select(range(count)):
        stream = io.BytesIO()
        soundfile.write(stream, decode(row["audio"]["path"] or row["audio"]["bytes"]), 16_000, format="WAV")
        contents.append(stream.getvalue())
    return contents


def main() -> None:
    """Measures both sides in turn and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 16, 64])
    parser.add_argument("--requests", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=120.0, help="the most for one measurement")
    parser.add_argument("--encoder", default="wav2vec2-mini")
    parser.add_argument("--model", type=Path, help="serve this one, such as an exported one, in the place of ours")
    options = parser.parse_args()
    contents = recordings(32)
    seconds = sum(len(content) - 44 for content in contents) / 32_000 / len(contents)
    with tempfile.TemporaryDirectory() as folder:
        _make_models(argparse.Namespace(encoder=options.encoder, sides=["batched", "pipeline"]), Path(folder))
        ours = [sys.executable, "-m", "ser_tl.cli", "serve", options.model or Path(folder) / "ours", "--port", "PORT"]
        ours += ["--workers", options.workers, "--cache_answers", "0"]
        naive = [sys.executable, "-m", "tests.benchmarks.naive_server", Path(folder) / "theirs", "PORT"]
        found: dict[tuple[str, int], list[dict[str, float]]] = {}
        with (
            Side("ser-tl serve", ours, "/v1/predict", "/readyz") as one,
            Side("naive", naive, "/predict", "/openapi.json") as other,
        ):
            for side in (one, other):
                load(side, contents, 1, 4, 60)
            for _ in range(options.repeats):
                for clients in options.clients:
                    for side in (one, other):
                        figures = load(side, contents, clients, options.requests, options.seconds)
                        found.setdefault((side.name, clients), []).append(figures)
                        print(side.name, clients, figures, file=sys.stderr)
    busy = re.split(r"\s", Path("/proc/loadavg").read_text())[0]
    machine = f"{os.cpu_count()} cores at load {busy}, {options.workers} worker(s)"
    print(f"{options.encoder}, WAV of {seconds:.1f} s on average, {machine}")
    print("| | clients | requests/s | p50 ms | p95 ms | p99 ms | CPU ms a request |\n|---|---|---|---|---|---|---|")
    for (name, clients), runs in sorted(found.items(), key=lambda item: item[0][1]):
        figures = " | ".join(f"{median(run[figure] for run in runs):.4g}" for figure in FIGURES)
        print(f"| {name} | {clients} | {figures} |")


if __name__ == "__main__":
    main()
