"""Predicting a folder of recordings: Predictor, one recording at a time, and transformers' pipeline on an equal model.

    python -m tests.benchmarks.predict --root FOLDER [--count 500] [--encoder wav2vec2-mini] [--repeats 3]

All sides decode the same files in one process of one thread, and take turns, so that whatever else the machine does
meets all of them. The pipeline gets samples that are decoded to 16 kHz beforehand: it reads no file without ffmpeg.
Prints audio seconds a second of CPU time (process time, so that a busy machine changes little) and of wall time, and
the peak memory of each side in a process of its own.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

SIDES = ("batched", "one by one", "pipeline")


def main() -> None:
    """Measures each side in turn and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--encoder", default="wav2vec2-mini")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8, help="the pipeline's batch_size")
    parser.add_argument("--side", choices=SIDES, default=None)
    parser.add_argument("--model", type=Path, default=None)
    options = parser.parse_args()
    if options.side is not None:
        print(json.dumps(_run(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        _make_models(options.encoder, Path(folder))
        found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
        for _ in range(options.repeats):
            for side in SIDES:
                command = [sys.executable, "-m", "tests.benchmarks.predict", *sys.argv[1:], "--side", side]
                done = subprocess.run([*command, "--model", folder], capture_output=True, text=True, check=True)
                found[side].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{options.encoder}, {options.count} recordings, median of {options.repeats}")
    for side, runs in found.items():
        cpu, wall, memory = (median(run[key] for run in runs) for key in ("cpu", "wall", "memory"))
        print(f"{side:<12} {cpu:7.1f} audio s per CPU s   {wall:7.1f} per wall s   {memory:7.0f} MiB")


def _make_models(encoder: str, folder: Path) -> None:
    """The same model twice: as ser_tl saves it, and as transformers loads it."""
    import ser_tl as ser
    from ser_tl.data.audio import AudioConfig
    from ser_tl.model import export_transformers
    from tests.benchmarks.ours import SAME_HEAD

    labels = ["anger", "happiness", "neutral", "sadness"]
    audio = AudioConfig(max_seconds=30.0)
    model = ser.EmotionModel.build(encoder, labels, pooling="mean", config=SAME_HEAD, audio=audio)
    model.save_pretrained(folder / "ours")
    export_transformers(model, folder / "theirs")


def _run(options: argparse.Namespace) -> dict[str, float]:
    import torch

    torch.set_num_threads(1)
    from ser_tl.data import audio

    files = sorted(path for path in options.root.rglob("*") if path.suffix.lower() in audio.SUFFIXES)[: options.count]
    seconds = sum(map(audio.duration, files))
    if options.side == "pipeline":
        from transformers import pipeline

        classify = pipeline("audio-classification", model=str(options.model / "theirs"), device="cpu")
        clips = [{"raw": audio.decode(path), "sampling_rate": 16_000} for path in files]
        begin = time.perf_counter(), time.process_time()
        classify(clips, batch_size=options.batch)
    else:
        from ser_tl.inference import Predictor

        predictor = Predictor(options.model / "ours")
        begin = time.perf_counter(), time.process_time()
        if options.side == "batched":
            predictor.predict(files)
        else:
            for path in files:
                predictor.predict(path)
    wall, cpu = time.perf_counter() - begin[0], time.process_time() - begin[1]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"wall": seconds / wall, "cpu": seconds / cpu, "memory": memory}


if __name__ == "__main__":
    main()
