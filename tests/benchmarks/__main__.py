"""Training and encoding against transformers, on the same clips, alternately in one run.

    python -m tests.benchmarks [--corpus ravdess --root RAVDESS] [--whisper FOLDER] [--output docs/benchmark.json]

Every figure is the median of several runs, each in a process of its own; runs of both sides alternate, so that whatever
else the machine does meets both. The physical limit beside them is this machine's rate of multiplying float32 matrices.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

import ser_tl as ser
from tests.benchmarks.clips import Clips

PAIRS = {
    "full fine-tuning": ("ours full", "peer full"),
    "the same, layers checkpointed": ("ours checkpointed", "peer full"),
    "all but the front end": ("ours layers", "peer layers"),
    "frozen encoder, no cache": ("ours frozen", "peer frozen"),
    "frozen encoder, cached": ("ours cached", "peer frozen"),
    "Whisper tiny.en's states": ("ours whisper", "peer whisper"),
}
ENCODERS = {"full": "full fine-tuning, base", "base": "wav2vec2-base's size", "whisper": "Whisper tiny.en"}
ENCODERS |= {"mini": "wav2vec2-mini", "soundnet": "SoundNet"}


def main() -> None:
    """Measures everything, prints two tables and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default="emodb-mini")
    parser.add_argument("--root")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--whisper", help="whisper-tiny.en's folder; without it Whisper is left out")
    parser.add_argument("--only", nargs="*", help="rows by their first words")
    parser.add_argument("--output", type=Path, help="a JSON file for all figures")
    options = parser.parse_args()

    def wanted(row: str) -> bool:
        named = options.only is None or any(row.startswith(start) for start in options.only)
        return named and (options.whisper is not None or "Whisper" not in row)

    with tempfile.TemporaryDirectory() as folder:
        clips = Clips.taken(ser.load_corpus(options.corpus, options.root), options.clips, Path(folder), options.threads)

        def run(name: str) -> dict[str, float]:
            command = [sys.executable, "-m", "tests.benchmarks.subject", name, folder, options.whisper or ""]
            environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "SER_TL_CACHE": f"{folder}/cache"}
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if done.returncode:
                raise SystemExit(f"{name}: {done.stderr[-2000:]}")
            return json.loads(done.stdout.splitlines()[-1])

        pairs = {row: names for row, names in PAIRS.items() if wanted(row)}
        alone = {f"ours {what}": row for what, row in ENCODERS.items() if wanted(row)}
        names = list(dict.fromkeys([*(name for names in pairs.values() for name in names), *alone]))
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for repeat in range(options.repeats):
            for name in names:
                runs[name].append(run(name))
                print(repeat + 1, name, runs[name][-1], file=sys.stderr)
        limit = matrix_rate(options.threads)
        flop = {name: run(f"flop {name.split()[1]}")["flop"] for name in alone}

    def middle(name: str, what: str) -> float:
        return median(one[what] for one in runs[name])

    machine = f"{platform.machine()}, {options.threads} threads, torch {torch.__version__}, {options.clips} clips"
    print(f"{machine} of {options.corpus} ({sum(clips.seconds):.0f} s), medians of {options.repeats}\n")
    print("| | audio s/s | transformers | ratio (lowest to highest) | peak GB | transformers |")
    print("|---|---|---|---|---|---|")
    for row, (own, peer) in pairs.items():
        ratios = [a["rate"] / b["rate"] for a, b in zip(runs[own], runs[peer], strict=True)]
        rates = f"{middle(own, 'rate'):.1f} | {middle(peer, 'rate'):.1f}"
        ratio = f"**{median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})"
        peaks = f"{middle(own, 'peak_mib') / 1024:.2f} | {middle(peer, 'peak_mib') / 1024:.2f}"
        print(f"| {row} | {rates} | {ratio} | {peaks} |")
    print("\n| | audio s/s | GFLOP a second of audio | share of the matrix rate |\n|---|---|---|---|")
    for name, row in alone.items():
        rate = middle(name, "rate")
        print(f"| {row} | {rate:.1f} | {flop[name] / 1e9:.2f} | {100 * rate * flop[name] / limit:.0f} % |")
    print(f"\nMatrices of 2048 x 2048 in float32: {limit / 1e9:.0f} GFLOP/s.")
    if options.output:
        kept = {"machine": machine, "runs": runs, "flop": flop, "matrix_flop_a_second": limit}
        options.output.write_text(json.dumps(kept, indent=1) + "\n")


def matrix_rate(threads: int, size: int = 2048, repeats: int = 5) -> float:
    """Floating-point operations a second in multiplying float32 matrices, the median of some."""
    torch.set_num_threads(threads)
    matrix = torch.randn(size, size)
    taken = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        matrix @ matrix
        taken.append(time.perf_counter() - begin)
    return 2 * size**3 / median(taken[1:])


if __name__ == "__main__":
    main()
