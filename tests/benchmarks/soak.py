"""A server under load for a long time: does its memory stay, does every request get its answer?

    python -m tests.benchmarks.soak [MODEL] [--seconds 1800] [--load 0.8] [--clients 8] [--workers 1]

Measures how many requests a second the server can answer, then sends that share of them, evenly in time. Every 16th
recording is damaged and has to be refused with 422, every 16th is a live stream of a second. Prints the memory of
the server's processes as it goes. Ends with 1 if a request failed, or memory grew by more than a tenth from the end of
the first sixth on (5 minutes of 30).
"""

import argparse
import http.client
import json
import sys
import threading
import time
from pathlib import Path
from statistics import median, quantiles

from websockets.sync.client import connect

from tests.benchmarks.serving import Side, load, recordings
from tests.serving.running import form

LATE = 5.0  # seconds behind its time after which a request is left out, and counted


class Soak:
    """Requests at a steady rate.

    Args:
        side: the server
        contents: recordings
        rate: requests a second
    """

    def __init__(self, side, contents, rate):
        self.side, self.contents, self.rate = side, contents, rate
        self.lock, self.numbers = threading.Lock(), iter(range(1 << 40))
        self.taken, self.failures, self.late = [], [], 0

    def run(self, seconds):
        """What one client does."""
        connection = http.client.HTTPConnection("127.0.0.1", self.side.port, timeout=60)
        while True:
            with self.lock:
                number = next(self.numbers)
            due = self.begin + number / self.rate
            if due > self.begin + seconds:
                break
            wait = due - time.monotonic()
            if wait < -LATE:
                self.late += 1
                continue
            time.sleep(max(0.0, wait))
            try:
                self.ask(connection, number)
            except Exception as error:  # whatever it is, it is a failure
                self.failures.append(f"{type(error).__name__}: {error}")
                connection.close()
        connection.close()

    def ask(self, connection, number):
        """One request."""
        content = self.contents[number % len(self.contents)]
        if number % 16 == 7:
            self.stream(content)
            return
        damaged = number % 16 == 15
        body, kind = form(("clip.wav", content[:60] if damaged else content))
        begin = time.perf_counter()
        connection.request("POST", "/v1/predict", body, {"Content-Type": kind})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != (422 if damaged else 200):
            self.failures.append(f"{answer.status}: {text[:200]!r}")
        self.taken.append(time.perf_counter() - begin)

    def stream(self, content):
        """A second of live audio."""
        address = f"ws://127.0.0.1:{self.side.port}/v1/stream?sample_rate=16000"
        with connect(address) as socket:
            for start in range(44, 44 + 32_000, 6_400):
                socket.send(content[start : start + 6_400])
            socket.send(json.dumps({"type": "close"}))
            kinds = [json.loads(message)["type"] for message in socket]
        if "error" in kinds or "ready" not in kinds:
            self.failures.append(f"stream: {kinds}")

    def memory(self):
        """MiB that the server's processes hold."""
        total, waiting = 0, [self.side.process.pid]
        while waiting:
            number = waiting.pop()
            waiting += map(int, Path(f"/proc/{number}/task/{number}/children").read_text().split())
            total += int(Path(f"/proc/{number}/statm").read_text().split()[1]) * 4096
        return total / (1 << 20)

    def watch(self, seconds, clients):
        """Runs clients for so long. Returns memory as it went."""
        self.begin = time.monotonic()
        threads = [threading.Thread(target=self.run, args=(seconds,)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        held = []
        while any(thread.is_alive() for thread in threads):
            time.sleep(seconds / 60)
            held.append(self.memory())
            if len(held) % 2 == 0:
                print(
                    f"{time.monotonic() - self.begin:.0f} s: {held[-1]:.1f} MiB, {len(self.taken)} answers", flush=True
                )
        return held


def main() -> int:
    """Prints how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="*", help="as of `ser-tl serve`; the bundled one if left out")
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--load", type=float, default=0.8)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    contents = recordings(32)
    command = [sys.executable, "-m", "ser_tl.cli", "serve", *options.model, "--port", "PORT", "--cache_answers", "0"]
    with Side("ser-tl serve", [*command, "--workers", options.workers], "/v1/predict", "/readyz") as side:
        load(side, contents, options.clients, 32, 60)
        most = load(side, contents, options.clients, 200, 20)["rate"]
        print(
            f"at most {most:.1f} requests/s; {100 * options.load:.0f} % of that for {options.seconds:.0f} s", flush=True
        )
        soak = Soak(side, contents, most * options.load)
        held = soak.watch(options.seconds, options.clients)
        cpu = side.cpu()
    cuts = [1000 * one for one in quantiles(soak.taken, n=100, method="inclusive")]
    first, last = median(held[len(held) // 6 : len(held) // 6 + 3]), median(held[-3:])
    print(f"{len(soak.taken)} answers, {len(soak.failures)} failed, {soak.late} left out because the load was too high")
    busy = Path("/proc/loadavg").read_text().split()[2]
    print(f"p50 {cuts[49]:.0f}, p95 {cuts[94]:.0f}, p99 {cuts[98]:.0f} ms; {cpu:.0f} s of CPU time; load {busy}")
    print(f"memory {first:.1f} MiB after a sixth of the time, {last:.1f} at the end, {max(held):.1f} at most")
    for failure in soak.failures[:10]:
        print(failure)
    return int(bool(soak.failures) or last > 1.1 * first)


if __name__ == "__main__":
    sys.exit(main())
