"""One measurement in a process of its own, so that it has its own peak memory.

python -m tests.benchmarks.subject NAME FOLDER [WHISPER]  ->  {"rate": audio seconds a second, "peak_mib": ...}
"""

import json
import resource
import sys

import torch
from torch.utils.flop_counter import FlopCounterMode

import ser_tl as ser
from tests.benchmarks import ours, peers
from tests.benchmarks.clips import Clips

BATCH = 8  # clips in a batch, of both sides


def main(name: str, folder: str, whisper: str = "whisper-tiny.en") -> None:
    """Prints what was measured, as the last line."""
    clips = Clips.read(folder)
    encoders = {"base": clips.base, "whisper": whisper, "mini": "wav2vec2-mini", "soundnet": "soundnet"}
    side, what = name.split()
    if side == "flop":
        print(json.dumps({"flop": _flop(clips, what, encoders)}))
        return
    subjects = {
        "ours full": lambda: ours.trained(clips, BATCH, "full"),
        "ours checkpointed": lambda: ours.trained(clips, BATCH, "full", checkpointing=True),
        "ours layers": lambda: ours.trained(clips, BATCH, "partial", 13),
        "ours frozen": lambda: ours.trained(clips, BATCH, "frozen", cache=False),
        "ours cached": lambda: ours.trained(clips, BATCH, "frozen"),
        "peer full": lambda: peers.trained(clips, BATCH),
        "peer layers": lambda: peers.trained(clips, BATCH, "front end"),
        "peer frozen": lambda: peers.trained(clips, BATCH, "encoder"),
        "peer whisper": lambda: peers.whisper(clips, BATCH, whisper),
    }
    for encoder, source in encoders.items():
        subjects[f"ours {encoder}"] = lambda source=source: ours.encoded(clips, BATCH, source)
    rate = subjects[name]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": rate, "peak_mib": peak}))


def _flop(clips: Clips, what: str, encoders: dict[str, str]) -> float:
    """Floating-point operations of an encoder's forward pass, or of a full step, a second of audio."""
    model = ser.load_encoder(encoders["base" if what == "full" else what])
    one = ours.batches(clips, BATCH)[0]
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(what == "full"):
        states = model.train(what == "full")(one.waveform, one.lengths).states
        if what == "full":
            states[-1].sum().backward()
    return counter.get_total_flops() / one.seconds


if __name__ == "__main__":
    main(*sys.argv[1:])
