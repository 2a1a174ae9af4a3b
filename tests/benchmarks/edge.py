"""A server on a part of one core and with little memory, as on a small board: control groups of Linux hold it to that.

    python -m tests.benchmarks.edge [MODEL] [--shares 1 0.5 0.25] [--memory_mb 256] [--requests 24]

Needs root and control groups of version 1 (/sys/fs/cgroup/cpu, memory). Prints seconds from start to ready, requests a
second and latencies of one client, CPU time a request, and the most memory that the process had.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from tests.benchmarks.serving import Side, load, recordings

GROUPS = [Path("/sys/fs/cgroup") / kind / f"ser_tl_edge_{os.getpid()}" for kind in ("cpu", "memory")]
PERIOD = 20_000  # microseconds


def limit(share, size):
    """Makes the groups, or changes what they allow."""
    for group in GROUPS:
        group.mkdir(exist_ok=True)
    (GROUPS[0] / "cpu.cfs_period_us").write_text(str(PERIOD))
    (GROUPS[0] / "cpu.cfs_quota_us").write_text(str(round(share * PERIOD)))
    (GROUPS[1] / "memory.limit_in_bytes").write_text(str(size << 20))


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="*", help="as of `ser-tl serve`; the bundled one if left out")
    parser.add_argument("--shares", type=float, nargs="*", default=[1.0, 0.5, 0.25])
    parser.add_argument("--memory_mb", type=int, default=256)
    parser.add_argument("--requests", type=int, default=24)
    options = parser.parse_args()
    contents = recordings(12)
    enter = "".join(f"echo $$ >{group}/cgroup.procs; " for group in GROUPS) + 'exec taskset -c 0 "$@"'
    command = ["sh", "-c", enter, "sh", sys.executable, "-m", "ser_tl.cli", "serve", *options.model, "--port", "PORT"]
    command += ["--cache_answers", "0", "--memory_mb", "64", "--no_page"]
    print("| share of a core | ready after s | requests/s | p50 ms | p95 ms | CPU ms a request | memory MiB |")
    print("|---|---|---|---|---|---|---|")
    try:
        for share in options.shares:
            limit(share, options.memory_mb)
            begin = time.monotonic()
            with Side("edge", command, "/v1/predict", "/readyz") as side:
                ready = time.monotonic() - begin
                load(side, contents, 1, 4, 60)
                found = load(side, contents, 1, options.requests, 60)
                status = Path(f"/proc/{side.process.pid}/status").read_text()
            most = int(status.partition("VmHWM:")[2].split()[0]) / 1024
            figures = [found[name] for name in ("rate", "p50", "p95", "cpu")]
            print(f"| {share:g} | {ready:.1f} | " + " | ".join(f"{one:.3g}" for one in figures) + f" | {most:.0f} |")
    finally:
        for group in GROUPS:
            group.rmdir()


if __name__ == "__main__":
    main()
