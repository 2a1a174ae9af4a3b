"""One measurement in a process of its own, so that it has its own peak memory.

    python -m tests.benchmarks.subject FOLDER WHISPER WHO WHAT ENCODER

It prints {"rate": audio seconds a second, "peak_mib": ...}.

WHO is ours, transformers or speechbrain; WHAT a kind of training or `states`; ENCODER base, mini, whisper or soundnet.
"""

import json
import sys
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

import ser_tl as ser
from tests.benchmarks import ours, peers
from tests.benchmarks.clips import Clips

BATCH = 8  # clips in a batch, of both sides


def main(folder: str, whisper: str, who: str, what: str, encoder: str) -> None:
    """Prints what was measured, as the last line."""
    clips = Clips.read(folder)
    source = {"base": clips.base, "whisper": whisper, "mini": "wav2vec2-mini", "soundnet": "soundnet"}[encoder]
    if who == "flop":
        print(json.dumps({"flop": _flop(clips, source, learning=what == "full")}))
        return
    print(json.dumps({"rate": _rate(clips, who, what, source), "peak_mib": _peak_mib()}))


def _rate(clips: Clips, who: str, what: str, source: str) -> float:
    if who == "speechbrain":
        from tests.benchmarks import speechbrain_peer

        return speechbrain_peer.trained(clips, BATCH)
    if what == "states":
        return (ours.encoded if who == "ours" else peers.whisper)(clips, BATCH, source)
    if who == "transformers":
        frozen = {"layers": "front end", "frozen": "encoder"}.get(what, "")
        return peers.trained(clips, BATCH, frozen, bf16=what == "bf16")
    ways = {
        "full": lambda: ours.trained(clips, BATCH, source, "full"),
        "bf16": lambda: ours.trained(clips, BATCH, source, "full", precision="bf16"),
        "checkpointed": lambda: ours.trained(clips, BATCH, source, "full", checkpointing=True),
        "layers": lambda: ours.trained(clips, BATCH, source, "partial", blocks=13),
        "partial": lambda: ours.trained(clips, BATCH, source, "partial", blocks=2),
        "frozen": lambda: ours.trained(clips, BATCH, source, "frozen", cache=False),
        "cached": lambda: ours.trained(clips, BATCH, source, "frozen"),
        "attentive": lambda: ours.trained(clips, BATCH, source, "frozen", pooling="attention"),
    }
    return ways[what]()


def _peak_mib() -> float:
    """From /proc, where it begins with this program; getrusage's begins with the process that started it."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def _flop(clips: Clips, source: str, *, learning: bool) -> float:
    """Floating-point operations of an encoder's forward pass, or of a full step, a second of audio."""
    torch.backends.mkldnn.enabled = False  # the counter doesn't know the products that oneDNN does
    model = ser.load_encoder(source)
    one = ours.batches(clips, BATCH)[0]
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(learning):
        states = model.train(learning)(one.waveform, one.lengths).states
        if learning:
            states[-1].sum().backward()
    return counter.get_total_flops() / one.seconds


if __name__ == "__main__":
    main(*sys.argv[1:])
