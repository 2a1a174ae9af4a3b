"""Predicting a folder of recordings: Predictor, one recording at a time, and transformers' pipeline on an equal model.

    python -m tests.benchmarks.predict --root FOLDER [--count 500] [--encoder wav2vec2-mini] [--repeats 3]
    python -m tests.benchmarks.predict --root FOLDER --encoder WHISPER --count 40 --sides batched "30 s" pipeline
    python -m tests.benchmarks.predict --root FOLDER --count 60 --profile             # where each side's time goes

All sides decode the same files in one process of one thread, and take turns, so that whatever else the machine does
meets all of them. The pipeline gets samples that are decoded to 16 kHz beforehand: it reads no file without ffmpeg.
Prints audio seconds a second of CPU time (process time, so that a busy machine changes little) and of wall time, and
the peak memory of each side in a process of its own; first the share of padding and the largest difference of a
probability between each side and the pipeline's model.

Whisper's classifier in transformers encodes every clip with silence up to 30 s. The equal model here is "30 s", the
one with `full_window`; "batched" has the same weights and encodes what there is of each clip: other answers.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from ser_tl.data import audio
from ser_tl.data.batch_plan import padding_share, plan_batches

OURS = {"batched": "ours", "one by one": "ours", "30 s": "whole", "onnx": "onnx", "int8": "int8", "gate": "gate"}
"""The folder of each side's model; "gate" cuts the silence around speech, as new trainings do."""

SIDES = (*OURS, "pipeline")
LABELS = ["anger", "happiness", "neutral", "sadness"]


def main() -> None:
    """Measures each side in turn and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--count", type=int, default=500, help="of recordings, spread over the folder")
    parser.add_argument("--encoder", default="wav2vec2-mini")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8, help="the pipeline's batch_size")
    parser.add_argument("--batch_seconds", type=float, default=60.0, help="the predictor's")
    parser.add_argument("--sides", choices=SIDES, nargs="+", default=["batched", "one by one", "pipeline"])
    parser.add_argument("--profile", action="store_true", help="where the time goes, by operator, once a side")
    parser.add_argument("--side", choices=SIDES, default=None, help="in a process of its own: what the program starts")
    parser.add_argument("--model", type=Path, default=None, help="likewise")
    options = parser.parse_args()
    if options.side is not None:
        print(json.dumps(_run(options)))
        return
    seconds = [audio.duration(path) for path in _files(options)]
    count = len(seconds)
    in_order = [[list(range(first, min(first + options.batch, count)))] for first in range(0, count, options.batch)]
    plans = {"batched": plan_batches(seconds, options.batch_seconds), "pipeline": in_order}
    shares = ", ".join(f"{name} {100 * padding_share(seconds, plan):.1f} %" for name, plan in plans.items())
    print(f"{options.encoder}, {count} recordings, {sum(seconds):.0f} s; padding: {shares}")
    with tempfile.TemporaryDirectory() as folder:
        _make_models(options, Path(folder))
        found: dict[str, list[dict[str, Any]]] = {side: [] for side in options.sides}
        for _ in range(options.repeats):
            for side in options.sides:
                command = [sys.executable, "-m", "tests.benchmarks.predict", *sys.argv[1:], "--side", side]
                done = subprocess.run([*command, "--model", folder], stdout=subprocess.PIPE, text=True, check=True)
                found[side].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"median of {options.repeats}; times: CPU seconds of the pipeline by the side's, pairs of one turn")
    for side, runs in found.items():
        cpu, wall, memory = (median(run[key] for run in runs) for key in ("cpu", "wall", "memory"))
        text = f"{side:<12} {cpu:7.1f} audio s per CPU s   {wall:7.1f} per wall s   {memory:7.0f} MiB"
        if "pipeline" in found:
            pairs = [run["cpu"] / peer["cpu"] for run, peer in zip(runs, found["pipeline"], strict=True)]
            text += f"   {median(pairs):5.2f} times ({min(pairs):.2f} to {max(pairs):.2f})"
            text += f"   differs by {_largest_difference(runs[0]['scores'], found['pipeline'][0]['scores']):.0e}"
        print(text)
        for line in runs[0]["profile"]:
            print(f"    {line}")


def _files(options: argparse.Namespace) -> list[Path]:
    """So many recordings, at equal distances in the list of all."""
    files = sorted(path for path in options.root.rglob("*") if path.suffix.lower() in audio.SUFFIXES)
    count = min(options.count, len(files))
    return [files[index * len(files) // count] for index in range(count)]


def _make_models(options: argparse.Namespace, folder: Path) -> None:
    """The same weights in each form that a side needs: as ser_tl saves and exports them, as transformers loads them."""
    import ser_tl as ser
    from ser_tl.data.audio import AudioConfig
    from ser_tl.export import export_model
    from ser_tl.model import export_transformers
    from tests.benchmarks.ours import SAME_HEAD

    def build(gate: str = "none", **encoder: bool) -> ser.EmotionModel:
        ser.seed_everything(0)
        given = {"config": SAME_HEAD, "audio": AudioConfig(max_seconds=30.0, gate=gate), "encoder_options": encoder}
        return ser.EmotionModel.build(options.encoder, LABELS, pooling="mean", **given)

    plain = build()
    whole = build(full_window=True) if plain.encoder.family == "whisper" else plain
    makers: dict[str, Callable[[Path], object]] = {
        "ours": plain.save_pretrained,
        "whole": whole.save_pretrained,
        "onnx": lambda place: export_model(plain, place),
        "int8": lambda place: export_model(plain, place, quantize="int8"),
        "gate": lambda place: build(gate="energy").save_pretrained(place),
    }
    for name in {OURS[side] for side in options.sides if side in OURS}:
        makers[name](folder / name)
    if "pipeline" in options.sides:
        export_transformers(whole, folder / "theirs")


def _run(options: argparse.Namespace) -> dict[str, Any]:
    import torch

    torch.set_num_threads(1)
    files = _files(options)
    seconds = sum(map(audio.duration, files))
    predict = _open_side(options, files)
    profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])
    if options.profile:
        profiler.start()
    wall, cpu = time.perf_counter(), time.process_time()
    scores = predict()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    lines = []
    if options.profile:
        profiler.stop()
        lines = profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=12, max_name_column_width=40)
        lines = [line[:100] for line in lines.splitlines() if line.strip()]
    status = Path("/proc/self/status").read_text()  # `ru_maxrss` begins with that of the program which started this one
    memory = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return {"wall": seconds / wall, "cpu": seconds / cpu, "memory": memory, "scores": scores, "profile": lines}


def _open_side(options: argparse.Namespace, files: list[Path]) -> Callable[[], list[dict[str, float]]]:
    """What is timed: it gives the probabilities of each file."""
    if options.side == "pipeline":
        from transformers import pipeline

        classify = pipeline("audio-classification", model=str(options.model / "theirs"), device="cpu")
        clips = [{"raw": audio.decode(path), "sampling_rate": 16_000} for path in files]
        batch = options.batch
        return lambda: [{one["label"]: one["score"] for one in row} for row in classify(clips, batch_size=batch)]
    from ser_tl.inference import Predictor

    predictor = Predictor(options.model / OURS[options.side], batch_seconds=options.batch_seconds)
    if options.side == "one by one":
        return lambda: [predictor.predict(path)[0].probabilities for path in files]
    return lambda: [prediction.probabilities for prediction in predictor.predict(files)]


def _largest_difference(scores: list[dict[str, float]], others: list[dict[str, float]]) -> float:
    pairs = zip(scores, others, strict=True)
    return max(abs(row[label] - other[label]) for row, other in pairs for label in LABELS if row)


if __name__ == "__main__":
    main()
