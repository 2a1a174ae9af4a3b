"""`ser-tl annotate`: an archive of recordings into Parquet shards; `ser-tl annotate status FOLDER`: how far it is.

SOURCE -> ser_tl.archive.annotate -> FOLDER; progress and errors on standard error, the summary on standard output
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser_tl.errors import ConfigError

if TYPE_CHECKING:
    from ser_tl.archive import Status

_LINE_SECONDS = 30.0  # between lines of progress where there is no terminal


def add_annotate_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments, in argparse's own terms: exported models annotate where nothing else is installed."""
    parser.add_argument(
        "source",
        type=str,
        help="a folder, a pattern in quotes, a list (CSV, TSV, JSON lines, Parquet, text), WebDataset tars, a dataset "
        "that was saved to disk, a lhotse Shar or cuts; on disk or a URL (s3://...); or the word `status`",
    )
    parser.add_argument("folder", type=Path, nargs="?", default=None, help="after `status`: the archive's folder")
    parser.add_argument(
        "--output", type=Path, default=None, help="the archive's folder; an unfinished archive is continued"
    )
    parser.add_argument("--model", type=str, default=None, help="as in `ser-tl predict`; by default the bundled one")
    parser.add_argument(
        "--workers", type=int, default=None, help="number of processes with one thread each; by default one per core"
    )
    parser.add_argument("--segments", action="store_true", help="one row per window, with start and end in seconds")
    parser.add_argument(
        "--abstain_below", type=float, default=0.0, help="confidence below which a row is marked as abstained"
    )
    parser.add_argument("--shard_clips", type=int, default=1000, help="recordings per shard, the unit of work")
    parser.add_argument(
        "--allow_errors", action="store_true", help="exit with 0 even if recordings couldn't be decoded"
    )
    parser.add_argument(
        "--verify",
        type=float,
        default=None,
        help="afterwards compare hashes, and recompute this share of the shards, e.g. 0.01",
    )
    parser.add_argument("--engine", choices=["local", "ray"], default="local", help="what starts the workers")
    parser.add_argument(
        "--address", type=str, default=None, help="address of a Ray cluster; by default a local one is started"
    )
    parser.add_argument(
        "--device", type=str, default=None, help="device for models in torch; by default a GPU if there is one"
    )
    parser.add_argument("--rank", type=int, default=0, help="number of this task in an array job, from 0")
    parser.add_argument("--world", type=int, default=1, help="number of tasks that share the folder")


def annotate(options: Any) -> int:  # noqa: ANN401 - argparse's or jsonargparse's
    """Annotates; status 1 if recordings couldn't be used, unless that is allowed, or if verifying fails."""
    require_pyarrow()
    from ser_tl.archive import annotate as run
    from ser_tl.archive import verify

    if options.folder is not None:
        return _show_status(options)
    if options.output is None:
        raise ConfigError("--output: name the folder for the shards, which may be a new one")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the workers are ended with it
    progress = _Progress()
    workers = options.workers if options.workers is not None else _count_cores()
    summary = run(
        options.source,
        options.output,
        options.model,
        workers=workers,
        segments=options.segments,
        abstain_below=options.abstain_below,
        shard_clips=options.shard_clips,
        device=options.device,
        engine=options.engine,
        address=options.address,
        rank=options.rank,
        world=options.world,
        on_listed=progress.show_listing,
        on_progress=progress.show,
    )
    progress.end()
    archive = summary.archive
    if archive.skipped:
        kinds = ", ".join(f"{count} of {suffix}" for suffix, count in archive.skipped.items())
        print(f"files that are no recordings, left out: {kinds}", file=sys.stderr)
    if not summary.finished:
        print(
            f"{archive.folder}: this task is done, others are still at work (ser-tl annotate status {archive.folder})"
        )
        return 0
    print(
        f"{archive.folder}: {summary.clips} recordings, {summary.audio_seconds / 3600:.2f} h, {summary.rows} rows in "
        f"{archive.shards} shards, {summary.errors} errors"
    )
    status = 0
    if summary.errors and not options.allow_errors:
        print(
            f"error: {summary.errors} recordings couldn't be used, their rows say why (column `error`); "
            f"--allow-errors ends with 0 all the same",
            file=sys.stderr,
        )
        status = 1
    if options.verify is not None:
        status = max(status, _show_verification(verify(archive.folder, options.verify, options.device)))
    return status


def require_pyarrow() -> None:
    """Refuses what reads or writes archives where pyarrow isn't installed.

    Raises:
        ConfigError: it isn't
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise ConfigError(f'archives need pyarrow ({error}): pip install "ser_tl[archive]"') from error


def _show_status(options: Any) -> int:  # noqa: ANN401
    from ser_tl.archive import read_status

    if options.source != "status":
        raise ConfigError(
            f"{options.source} {options.folder}: one source at a time; put patterns into quotes, so that the shell "
            f"leaves them, or write `status FOLDER`"
        )
    status = read_status(options.folder)
    print(format_status(status))
    for shard, worker in status.working.items():
        print(f"shard {shard}: {worker}")
    return 0


def format_status(status: "Status") -> str:
    """How far an archive is, in a line."""
    share = 100 * status.clips_done / max(1, status.clips)
    parts = [
        f"{status.clips_done} of {status.clips} recordings ({share:.1f} %), {status.done} of {status.shards} shards"
    ]
    if status.clips_rate and not status.finished:
        parts.append(f"{status.clips_rate:.1f} recordings/s, {status.audio_rate:.0f} s of audio a second")
    parts.append(f"{status.errors} errors")
    if status.seconds_left:
        parts.append(f"{format_duration(status.seconds_left)} left")
    return ", ".join(parts)


def format_duration(seconds: float) -> str:
    """`4 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _show_verification(result: Any) -> int:  # noqa: ANN401 - imported where it is used
    print(
        f"verified: {result.shards - len(result.damaged)} of {result.shards} files have their hash; {result.again} "
        f"shards computed again, {result.identical} bit for bit the same, largest difference {result.largest:.2g}"
    )
    for name in result.damaged[:10]:
        print(f"error: {name}: missing, or changed since it was written", file=sys.stderr)
    if result.differing:
        print(
            f"error: {len(result.differing)} rows differ: {', '.join(result.differing[:10])}",
            file=sys.stderr,
        )
    return 0 if result.passed else 1


class _Progress:
    """Lines on standard error: one that is written over on a terminal, one in a while elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last = time.monotonic()
        self._width = 0
        self._finished = False

    def show_listing(self, clips: int) -> None:
        self._write(f"listed {clips} recordings")

    def show(self, status: "Status") -> None:
        self._write(format_status(status), last=status.finished)

    def end(self) -> None:
        if self._terminal and self._width:
            print(file=sys.stderr)

    def _write(self, text: str, *, last: bool = False) -> None:
        now = time.monotonic()
        if self._terminal:
            print(f"\r{text:{self._width}}", end="", file=sys.stderr, flush=True)
            self._width = len(text)
        elif not self._finished and (last or now - self._last > _LINE_SECONDS):
            print(text, file=sys.stderr, flush=True)
            self._last, self._finished = now, last


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
