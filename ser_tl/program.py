"""A recipe as a program: options from the command line, errors as messages, and how an interrupted run goes on."""

import shutil
import sys
from pathlib import Path
from typing import Any

from ser_tl.arguments import option_names, spell_options
from ser_tl.errors import SerTlError
from ser_tl.options import Options, RunOptions, parse
from ser_tl.parsing import make_parser
from ser_tl.runtime.launcher import launch_command
from ser_tl.terminal import escape_unprintable, set_log_level, set_quiet, silence_output
from ser_tl.training.compatibility import check_machine

STARTED: list[tuple[Path, bool]] = []
"""The folders of the runs that this process started, and whether it made up their names."""


def run_main(main: Any, kind: type[RunOptions], description: str) -> None:  # noqa: ANN401
    """What stands under `if __name__ == "__main__"` in a recipe: parse, run, and turn ser_tl's errors into messages.

    What the machine can't do is refused before any audio is read. Ctrl-C, and a reader of the output that ends before
    the recipe does, end it with a line that says how to go on.
    """
    escape_unprintable()
    STARTED.clear()
    try:
        options = parse(kind, description)
        set_quiet(options.quiet)
        set_log_level(options.log_level)
        if isinstance(options, Options):
            check_machine(options.train, cached=options.strategy in ("frozen", "partial"))
        main(options)
        sys.stdout.flush()
    except SerTlError as error:
        _remove_unused()
        sys.exit(f"error: {spell_options(str(error), option_names(make_parser(kind, description)))}")
    except KeyboardInterrupt:
        sys.stderr.write(f"\ninterrupted{_way_on()}\n")
        sys.exit(130)  # 128 and the number of the signal, as shells have it
    except BrokenPipeError:
        silence_output()
        sys.stderr.write(f"the reader of the output is gone: stopped{_way_on()}\n")
        sys.exit(141)


def _way_on() -> str:
    """How the last run goes on, where one was started."""
    return f"; to go on:\n    {launch_command()} --config {STARTED[0][0] / 'config.yaml'} --resume" if STARTED else ""


def _remove_unused() -> None:
    """Deletes folders with automatic names, of runs that were refused before anything was trained."""
    for folder, dated in STARTED:
        files = [path for path in folder.rglob("*") if path.is_file()]
        if dated and all(path.name in ("config.yaml", "split.json") or "curves" in path.parts for path in files):
            shutil.rmtree(folder, ignore_errors=True)
