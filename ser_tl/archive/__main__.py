"""The processes of an archive, started by command: `python -m ser_tl.archive work FOLDER ...`, `... decode`.

A worker has one thread and ends with its parent; its last words are a line of JSON on standard output. A decoder reads
clips from standard input and writes a line break for each that it came through (`crashes`).
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from ser_tl.archive.crashes import decode_lines
from ser_tl.archive.description import open_archive
from ser_tl.archive.lease import PATIENCE_SECONDS, Heartbeat
from ser_tl.archive.model import open_archive_model
from ser_tl.archive.processes import REFUSED
from ser_tl.archive.worker import ShardWorker, Share, run_worker
from ser_tl.errors import SerTlError


def main(arguments: list[str] | None = None) -> int:
    """Runs one of the two.

    Args:
        arguments: what to parse; the program's own if None
    """
    parser = argparse.ArgumentParser(description="A process of `ser-tl annotate`.")
    commands = parser.add_subparsers(required=True, dest="command")
    commands.add_parser("decode")
    work = commands.add_parser("work")
    work.add_argument("folder", type=Path)
    work.add_argument("--index", type=int, default=0)
    work.add_argument("--workers", type=int, default=1)
    work.add_argument("--leave", action="store_true")
    work.add_argument("--device", default=None)
    work.add_argument("--patience", type=float, default=PATIENCE_SECONDS)
    work.add_argument("--parent", type=int, default=None)
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; who started us ends us
    if options.command == "decode":
        decode_lines(sys.stdin.buffer, sys.stdout)
        return 0
    try:
        _work(options)
    except SerTlError as error:
        sys.stdout.write(json.dumps({"kind": type(error).__name__, "error": str(error)}) + "\n")
        return REFUSED
    return 0


def _work(options: argparse.Namespace) -> None:
    def orphaned() -> bool:
        return options.parent is not None and os.getppid() != options.parent

    share = Share(options.index, options.workers, wait=not options.leave)
    with Heartbeat(orphaned) as heartbeat:
        archive = open_archive(options.folder)
        predictor = open_archive_model(archive, options.device)
        run_worker(ShardWorker(archive, predictor, heartbeat, options.patience), share, options.patience)


if __name__ == "__main__":
    sys.exit(main())
