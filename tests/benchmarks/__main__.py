"""Training and encoding, against transformers and SpeechBrain on the same clips, alternately in one run.

    python -m tests.benchmarks [--corpus ravdess --root RAVDESS] [--whisper FOLDER] [--output docs/benchmark.json]

SpeechBrain is measured where it is installed (pip install speechbrain). Every figure is the median of several runs,
each in a process of its own; runs of both sides alternate, so that whatever else the machine does meets both. The
physical limit beside them is this machine's rate of multiplying float32 matrices.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from statistics import median

import torch

import ser_tl as ser
from tests.benchmarks.clips import Clips

Runs = dict[str, list[dict[str, float]]]

PAIRS = {
    "full fine-tuning": ("ours full base", "transformers full base"),
    "full fine-tuning, SpeechBrain": ("ours full base", "speechbrain full base"),
    "full fine-tuning, ours in bf16 (`--train.precision auto` here)": ("ours bf16 base", "transformers full base"),
    "full fine-tuning, both in bf16": ("ours bf16 base", "transformers bf16 base"),
    "full fine-tuning, layers checkpointed": ("ours checkpointed base", "transformers full base"),
    "all but the front end": ("ours layers base", "transformers layers base"),
    "frozen encoder, no cache": ("ours frozen base", "transformers frozen base"),
    "frozen encoder, cached": ("ours cached base", "transformers frozen base"),
    "Whisper tiny.en's states": ("ours states whisper", "transformers states whisper"),
}
ENCODERS = {
    "base": "wav2vec2-base's size",
    "mini": "wav2vec2-mini",
    "whisper": "Whisper tiny.en",
    "soundnet": "SoundNet",
}
WORK = {
    "cached": "frozen, cached",
    "attentive": "the same, attention",
    "frozen": "frozen, recomputed",
    "partial": "two blocks",
    "full": "full",
    "states": "states alone",
}


def main() -> None:
    """Measures everything, prints three tables and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default="emodb-mini")
    parser.add_argument("--root")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--whisper", default="", help="whisper-tiny.en's folder; without it Whisper is left out")
    parser.add_argument("--only", nargs="*", help="measurements by their names, such as ours_full_base")
    parser.add_argument("--output", type=Path, help="a JSON file for all figures")
    options = parser.parse_args()
    left_out = [] if options.whisper else ["whisper"]
    left_out += [] if find_spec("speechbrain") else ["speechbrain"]
    names = dict.fromkeys([*chain(*PAIRS.values()), *(f"ours {what} {one}" for one in ENCODERS for what in WORK)])
    names = [name for name in names if not any(part in name for part in left_out)]
    names = [name for name in names if options.only is None or name.replace(" ", "_") in options.only]
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}

    with tempfile.TemporaryDirectory() as folder:
        clips = Clips.taken(ser.load_corpus(options.corpus, options.root), options.clips, Path(folder), options.threads)

        def run(name: str) -> dict[str, float]:
            command = [sys.executable, "-m", "tests.benchmarks.subject", folder, options.whisper, *name.split()]
            environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "SER_TL_CACHE": f"{folder}/cache"}
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
            if done.returncode:
                raise SystemExit(f"{name}: {done.stderr[-2000:]}")
            return json.loads(done.stdout.splitlines()[-1])

        for repeat in range(options.repeats):
            for name in names:
                runs[name].append(run(name))
                print(repeat + 1, name, runs[name][-1], file=sys.stderr)
        limit = matrix_rate(options.threads)
        measured = [name.split()[1:] for name in names if name.startswith(("ours states", "ours full"))]
        flop = {f"ours {what} {one}": run(f"flop {what} {one}")["flop"] for what, one in measured}

    machine = f"{platform.machine()}, {options.threads} threads, torch {torch.__version__}"
    heard = f"{options.clips} clips of {options.corpus} ({sum(clips.seconds):.0f} s)"
    print(f"{machine}, {heard}, medians of {options.repeats}")
    for table in (against_peers, by_encoder):
        print("\n" + "\n".join(table(runs)))
    print("\n" + "\n".join(shares(runs, flop, limit)))
    print(f"\nMatrices of 2048 x 2048 in float32: {limit / 1e9:.0f} GFLOP/s.")
    if options.output:
        kept = {"machine": machine, "runs": runs, "flop": flop, "matrix_flop_a_second": limit}
        options.output.write_text(json.dumps(kept, indent=1) + "\n")


def middle(runs: Runs, name: str, what: str = "rate") -> float:
    """The median of a measurement's runs."""
    return median(one[what] for one in runs[name])


def against_peers(runs: Runs) -> list[str]:
    """The same work by both sides: their rates, the ratio of runs that followed each other, and peak memory."""
    lines = ["| | audio s/s | peer | ratio (lowest to highest) | peak GB | peer |", "|---|---|---|---|---|---|"]
    for row, (own, peer) in PAIRS.items():
        if own in runs and peer in runs:
            ratios = [a["rate"] / b["rate"] for a, b in zip(runs[own], runs[peer], strict=True)]
            ratio = f"**{median(ratios):.2f}** ({min(ratios):.2f} to {max(ratios):.2f})"
            rates = f"{middle(runs, own):.1f} | {middle(runs, peer):.1f}"
            peaks = " | ".join(f"{middle(runs, name, 'peak_mib') / 1024:.2f}" for name in (own, peer))
            lines.append(f"| {row} | {rates} | {ratio} | {peaks} |")
    return lines


def by_encoder(runs: Runs) -> list[str]:
    """Rates and peak memory of each kind of training of each encoder."""
    lines = ["| audio s/s (peak GB) | " + " | ".join(WORK.values()) + " |", "|---" * (len(WORK) + 1) + "|"]
    for one, row in ENCODERS.items():
        held = [f"ours {what} {one}" for what in WORK]
        if all(name in runs for name in held):
            cells = [f"{middle(runs, name):.4g} ({middle(runs, name, 'peak_mib') / 1024:.2f})" for name in held]
            lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return lines


def shares(runs: Runs, flop: dict[str, float], limit: float) -> list[str]:
    """How much of the matrix rate is reached."""
    lines = ["| | GFLOP a second of audio | share of the matrix rate |", "|---|---|---|"]
    for name, work in flop.items():
        _, what, one = name.split()
        reached = 100 * middle(runs, name) * work / limit
        lines.append(f"| {ENCODERS[one]}, {WORK[what]} | {work / 1e9:.2f} | {reached:.0f} % |")
    return lines


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
