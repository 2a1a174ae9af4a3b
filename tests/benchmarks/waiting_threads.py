"""What two threads of a training cost beside other programs, by how OpenMP's threads wait for each other.

    python -m tests.benchmarks.waiting_threads [--busy 0 1 4] [--steps 3] [--repeats 2]

A training step of a random wav2vec 2.0 with six layers of 384 channels on eight clips of 3 s, in a program of its own
for each policy, beside so many programs that compute without end. Prints the seconds of a step, each time measured.
"""

import argparse
import os
import subprocess
import sys
import time

POLICIES = {
    "default": {},
    "OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}


def train(steps):
    """Prints the seconds of one step, on average."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    torch.manual_seed(0)
    sizes = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 6, "intermediate_size": 1536}
    model = Wav2Vec2Model(Wav2Vec2Config(**sizes)).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-5)
    samples = torch.randn(8, 48000)
    for step in range(steps + 1):
        if step == 1:
            begin = time.perf_counter()
        model(samples).last_hidden_state.mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    print((time.perf_counter() - begin) / steps)


def measure(policy, busy, steps):
    """Seconds of one step under a policy, beside so many busy programs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    try:
        command = [sys.executable, "-m", "tests.benchmarks.waiting_threads", "--train", "--steps", str(steps)]
        return float(subprocess.check_output(command, env=environment | POLICIES[policy], text=True).split()[-1])
    finally:
        for other in others:
            other.kill()
            other.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 4])
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(options.steps)
        return
    print("| beside | " + " | ".join(POLICIES) + " |")
    for busy in options.busy:
        seconds = {policy: [] for policy in POLICIES}
        for _ in range(options.repeats):
            for policy in POLICIES:
                seconds[policy].append(measure(policy, busy, options.steps))
        rows = (" and ".join(f"{value:.1f}" for value in values) for values in seconds.values())
        print(f"| {busy} busy programs | " + " | ".join(rows) + " |", flush=True)


if __name__ == "__main__":
    main()
