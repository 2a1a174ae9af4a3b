"""Many live streams at once through `ser-tl serve`: how late are answers, how many hops are left out?

    python -m tests.benchmarks.live_streams [MODEL] [--streams 20] [--workers 2] [--seconds 60] [--apart 0.33]

Each client sends clips of emodb-mini, end to end, a tenth of a second at its own pace, from its own place in them. The
delay of an answer is the time from the sending of its hop's last samples to its arrival; hops that the server leaves
out because it is behind are counted by the server itself. Streams begin, and so end, one after the other, since at its
end each is answered once more as a whole: all ends at one moment would be a burst that people don't make.
"""

import argparse
import json
import sys
import threading
import time
from statistics import quantiles

import numpy as np
from websockets.sync.client import connect

from tests.benchmarks.serving import Side, recordings

RATE = 16_000
STEP = RATE // 10


class Client(threading.Thread):
    """A stream at real pace.

    Args:
        port: the server's
        samples: (N,) int16 at 16 kHz, which are sent over and over
        seconds: of audio
        wait: seconds before the first of it
    """

    def __init__(self, port: int, samples: np.ndarray, seconds: float, wait: float) -> None:
        super().__init__()
        self.address = f"ws://127.0.0.1:{port}/v1/stream?sample_rate={RATE}&encoding=pcm_s16le"
        self.samples, self.seconds, self.wait = samples, seconds, wait
        self.sent, self.delays, self.dropped, self.errors = [0.0], [], 0, []

    def run(self) -> None:
        """Sends, and takes what comes back."""
        time.sleep(self.wait)
        with connect(self.address) as socket:
            sender = threading.Thread(target=self.send, args=(socket,))
            sender.start()
            for text in socket:
                self.take(json.loads(text), time.monotonic())
            sender.join()

    def send(self, socket) -> None:
        """A tenth of a second every tenth of a second."""
        begin = time.monotonic()
        for count in range(round(10 * self.seconds)):
            time.sleep(max(0.0, begin + count / 10 - time.monotonic()))
            part = np.take(self.samples, np.arange(count * STEP, (count + 1) * STEP), mode="wrap")
            socket.send(part.tobytes())
            self.sent.append(time.monotonic())
        socket.send(json.dumps({"type": "close"}))

    def take(self, update, now: float) -> None:
        """Keeps the delay of an answer."""
        if update["type"] == "error":
            self.errors.append(update["error"])
        elif update["type"] == "partial":
            self.dropped = update["dropped"]
            tenth = min(round(10 * update["time"]), len(self.sent) - 1)
            self.delays.append(now - self.sent[tenth])


def main() -> int:
    """Prints delays, hops left out, and the share of a core."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="*", help="as of `ser-tl serve`; the bundled one if left out")
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--apart", type=float, default=0.33, help="seconds between the beginnings of two streams")
    options = parser.parse_args()
    speech = np.concatenate([np.frombuffer(content[44:], np.int16) for content in recordings(64)])
    command = [sys.executable, "-m", "ser_tl.cli", "serve", *options.model, "--port", "PORT"]
    with Side("ser-tl serve", [*command, "--workers", options.workers], "/v1/stream", "/readyz") as side:
        clients = [
            Client(
                side.port,
                np.roll(speech, -index * len(speech) // options.streams),
                options.seconds,
                options.apart * index,
            )
            for index in range(options.streams)
        ]
        cpu = side.cpu()
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        cpu = side.cpu() - cpu
    delays = [1000 * one for client in clients for one in client.delays]
    cuts = quantiles(delays, n=100, method="inclusive")
    dropped = sum(client.dropped for client in clients)
    print(
        f"{options.streams} streams of {options.seconds:g} s, {options.workers} workers: {len(delays)} answers, "
        f"{dropped} hops left out; delay p50 {cuts[49]:.0f}, p95 {cuts[94]:.0f}, p99 {cuts[98]:.0f} ms; "
        f"{cpu / options.seconds:.2f} cores"
    )
    for error in [error for client in clients for error in client.errors][:10]:
        print(error)
    return int(any(client.errors for client in clients))


if __name__ == "__main__":
    sys.exit(main())
