"""Archives: speed, memory, kills, and what Ray costs.

    ser-tl export ser_tl/assets/emodb_model --quantize int8 --output int8
    python -m tests.benchmarks.archive speed int8 [--clips 1000 20000] [--workers 2] [--audio FOLDER]
    python -m tests.benchmarks.archive kills int8 [--kills 20]
    python -m tests.benchmarks.archive rows [--rows 1000000]
    python -m tests.benchmarks.archive ray int8              # where Ray is installed

Clips are those of EMO-DB that come with the package (Opus, whose decoding takes about as long as the INT8 model), or
the recordings below --audio, whole and in parts, as often as it takes. CPU seconds are those of
all processes, start and decoding included; on a busy machine they say more than seconds on the clock.
"""

import argparse
import csv
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from ser_tl.archive import annotate, open_archive
from ser_tl.archive.description import ModelFacts, RowOptions
from ser_tl.archive.listing import list_source
from ser_tl.assets import asset
from ser_tl.data.audio import SUFFIXES, duration


def main() -> None:
    """Measures one of the four, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "kills", "rows", "ray"])
    parser.add_argument("model", nargs="?", default=None)
    parser.add_argument("--clips", type=int, nargs="+", default=[1000, 20_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shard", default="250", help="clips in a shard")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--audio", type=Path, default=asset("emodb_mini"), help="a folder of recordings")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ser_tl_archive_") as name:
        {"speed": measure_speed, "kills": measure_kills, "rows": measure_rows, "ray": measure_ray}[options.what](
            options, Path(name)
        )


def write_list(path: Path, audio: Path, clips: int, broken: int = 0) -> Path:
    """A list of so many clips: whole recordings first, then parts of them, then the same again."""
    files = sorted(file for file in audio.rglob("*") if file.suffix in SUFFIXES)
    seconds = [duration(file) for file in files]
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "path", "start", "end"])
        for index in range(clips):
            turn, number = divmod(index, len(files))
            whole = seconds[number]
            span = ["", ""] if turn % 3 == 0 else [0, 0.8 * whole] if turn % 3 == 1 else [0.2 * whole, whole]
            writer.writerow([f"clip{index:07}", files[number], *span])
        for index in range(broken):
            bad = path.parent / f"broken{index}{files[index].suffix}"
            bad.write_bytes(files[index].read_bytes()[: 700 + 40 * index])
            writer.writerow([f"broken{index:07}", bad, "", ""])
    return path


def start(source: Path, folder: Path, model: str, workers: int, *more: str) -> subprocess.Popen[bytes]:
    """`ser-tl annotate` in a session of its own."""
    command = [sys.executable, "-m", "ser_tl.cli", "annotate", str(source), "--output", str(folder)]
    command += ["--model", model, "--workers", str(workers), "--allow-errors", *more]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class MemoryWatch:
    """The largest resident memory of any process of a session, MiB."""

    def __init__(self, session: int) -> None:
        self.peak = 0.0
        self._session = session
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        while not self._stop.wait(0.5):
            for path in Path("/proc").glob("[0-9]*/stat"):
                try:
                    values = path.read_text(errors="replace").rpartition(")")[2].split()
                except OSError:
                    continue
                if int(values[3]) == self._session:
                    self.peak = max(self.peak, int(values[21]) * page / 2**20)


def run(source: Path, folder: Path, model: str, workers: int, *more: str) -> dict[str, float]:
    """Annotates, and tells what it took."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = start(source, folder, model, workers, *more)
    with MemoryWatch(process.pid) as watch:
        _, errors = process.communicate()
    if process.returncode:
        raise SystemExit(errors.decode()[-2000:])
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - begin
    manifest = json.loads((folder / "manifest.json").read_text())
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "clips": manifest["clips"],
        "errors": manifest["errors"],
        "audio": manifest["audio_seconds"],
        "wall": wall,
        "cpu": cpu,
        "peak": watch.peak,
    }


def measure_speed(options: argparse.Namespace, folder: Path) -> None:
    """Clips and audio a second, and memory, for lists of several lengths."""
    print("| clips | audio s | wall s | CPU s | clips / CPU s | audio s / CPU s | times real time | MiB a process |")
    print("|---|---|---|---|---|---|---|---|")
    for clips in options.clips:
        source, more = write_list(folder / f"{clips}.csv", options.audio, clips), ("--shard-clips", options.shard)
        found = run(source, folder / f"{clips}", options.model, options.workers, *more)
        print(
            f"| {found['clips']:.0f} | {found['audio']:.0f} | {found['wall']:.1f} | {found['cpu']:.1f} "
            f"| {found['clips'] / found['cpu']:.1f} | {found['audio'] / found['cpu']:.0f} "
            f"| {found['audio'] / found['wall']:.0f} | {found['peak']:.0f} |",
            flush=True,
        )


def measure_kills(options: argparse.Namespace, folder: Path) -> None:
    """Kills everything at random moments until the archive is finished, and compares the bytes."""
    source = write_list(folder / "list.csv", options.audio, options.clips[0], broken=20)
    annotate(source, folder / "undisturbed", options.model, workers=1, shard_clips=25)
    chance, kills = random.Random(0), 0
    while True:
        process = start(source, folder / "killed", options.model, options.workers, "--shard-clips", "25")
        deadline = time.monotonic() + chance.uniform(0.5, 12.0)
        while kills < options.kills and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        if kills == options.kills or process.poll() is not None:
            process.communicate()
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        kills += 1
    archive = open_archive(folder / "killed")
    same = sum(
        archive.shard_path(shard).read_bytes()
        == (folder / "undisturbed" / archive.shard_path(shard).relative_to(archive.folder)).read_bytes()
        for shard in range(archive.shards)
    )
    manifests = {(folder / name / "manifest.json").read_bytes() for name in ("killed", "undisturbed")}
    rows = json.loads(manifests.pop())["rows"]
    print(
        f"{kills} kills: {same} of {archive.shards} shards bit for bit the same, manifests "
        f"{'differ' if manifests else 'equal'}, {rows} rows of {archive.clips} clips"
    )


def measure_rows(options: argparse.Namespace, folder: Path) -> None:
    """Lists and shards a manifest, without audio work."""
    path = folder / "list.csv"
    with path.open("w", encoding="utf-8") as stream:
        stream.write("id,path,speaker,language,date\n")
        for index in range(options.rows):
            name = f"audio/{index % 997:03}/speaker{index % 1000}/clip_{index:08}.flac"
            stream.write(f"utt{index:08},{name},s{index % 1000},de,2026-11-{1 + index % 28:02}\n")
    begin, cpu = time.monotonic(), time.process_time()
    archive = list_source(str(path), folder / "out", ModelFacts(None, "", ["a"], []), RowOptions(), 1000)
    wall, cpu = time.monotonic() - begin, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{archive.clips} rows in {archive.shards} shards: {wall:.1f} s, {cpu:.1f} s of CPU, peak {peak:.0f} MiB")


def measure_ray(options: argparse.Namespace, folder: Path) -> None:
    """The same list by the local pool and by Ray."""
    source = write_list(folder / "list.csv", options.audio, options.clips[0])
    for engine in ("local", "ray"):
        shutil.rmtree(folder / engine, ignore_errors=True)
        found = run(source, folder / engine, options.model, options.workers, "--engine", engine, "--shard-clips", "100")
        print(f"{engine}: {found['wall']:.1f} s, {found['cpu']:.1f} s of CPU, peak {found['peak']:.0f} MiB a process")
    names = [path.name for path in sorted((folder / "local" / "shards" / "000").iterdir())]
    same = all(len({(folder / engine / "shards" / "000" / name).read_bytes() for engine in ("local", "ray")}) == 1
               for name in names)  # fmt: skip
    print(f"{len(names)} shards, {'all bit for bit the same' if same else 'DIFFERENT'}")


if __name__ == "__main__":
    main()
