"""Resident memory of a training on 100 hours of speech, beside one on ten: neither may grow with the hours heard.

    python -m tests.benchmarks.memory FOLDER [--hours 10 100] [--picture docs/pictures/memory.png]

The manifests are synthetic: each row is three to nine seconds of one of 60 files of ten minutes, so that ten hours of
audio lie on the disk whatever the manifest's length, and every row is decoded from its file. The recipe runs as users
run it (log-mel bands, no cache: each epoch decodes and computes everything), and its memory is read from /proc.
"""

import argparse
import csv
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import soundfile

from ser_tl.data.audio import SAMPLE_RATE

FILES, FILE_SECONDS, SPEAKERS = 60, 600.0, 40
EMOTIONS = ["anger", "happiness", "neutral", "sadness"]
TRAINING = (
    "--encoder logmel-40 --pooling stats --strategy frozen --train.cache false --train.epochs 1 --train.tracker none"
)


def main() -> None:
    """Trains on manifests of different lengths, one after the other, and draws their memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hours", type=float, nargs="*", default=[10.0, 100.0])
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    files = list(_recordings(options.folder))
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for hours in options.hours:
        manifest = options.folder / f"{hours:g}h.csv"
        rows = _write_manifest(manifest, files, hours)
        minutes, mib = _watched(options.folder, manifest)
        tenth = len(mib) // 10
        early, late = np.median(mib[tenth : 2 * tenth]), np.median(mib[-tenth:])
        print(f"{hours:g} h, {rows} rows: {minutes[-1]:.1f} minutes, peak {max(mib):.0f} MiB", end=", ")
        print(f"medians of the second tenth {early:.0f} and of the last {late:.0f}", flush=True)
        axes.plot(100 * np.array(minutes) / minutes[-1], mib, label=f"{hours:g} hours, {rows} utterances")
    axes.set(xlabel="share of the run, percent", ylabel="resident memory, MiB", ylim=(0, None))
    axes.legend()
    if options.picture:
        figure.savefig(options.picture, dpi=120)


def _recordings(folder: Path) -> Iterator[Path]:
    """Files of syllable-like noise: what is in them doesn't matter, as long as it has to be decoded."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = int(FILE_SECONDS * SAMPLE_RATE)
    for number in range(FILES):
        path = folder / f"{number}.flac"
        if not path.exists():
            noise = np.random.default_rng(number).standard_normal(samples, dtype=np.float32)
            syllables = 0.05 * (1.0 + np.sin(np.arange(samples, dtype=np.float32) * (8.0 * np.pi / SAMPLE_RATE)))
            soundfile.write(path, noise * syllables, SAMPLE_RATE, subtype="PCM_16")
        yield path


def _write_manifest(path: Path, files: list[Path], hours: float) -> int:
    generator = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "path", "start", "end", "emotion", "speaker"])
        rows, heard = 0, 0.0
        while heard < 3600.0 * hours:
            seconds = generator.uniform(3.0, 9.0)
            start = generator.uniform(0.0, FILE_SECONDS - seconds)
            place = [files[rows % FILES].resolve(), f"{start:.2f}", f"{start + seconds:.2f}"]
            writer.writerow([f"row{rows}", *place, EMOTIONS[rows % 4], f"speaker{rows // 4 % SPEAKERS}"])
            rows, heard = rows + 1, heard + seconds
    return rows


def _watched(folder: Path, manifest: Path) -> tuple[list[float], list[float]]:
    """Minutes since the start and MiB that are resident, of a training on a manifest."""
    command = [sys.executable, "recipes/finetune_wav2vec2.py", "--corpus", "csv", "--root", str(manifest)]
    command += [*TRAINING.split(), "--output", str(folder / manifest.stem)]
    minutes, mib = [], []
    begin = time.monotonic()
    with (folder / f"{manifest.stem}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            resident = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
            if resident:
                minutes.append((time.monotonic() - begin) / 60.0)
                mib.append(int(resident[0]) / 1024)
            time.sleep(1.0)
    if process.returncode:
        raise SystemExit(f"the training failed; see {log.name}")
    return minutes, mib


if __name__ == "__main__":
    main()
