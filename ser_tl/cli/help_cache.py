"""The help of a recipe's command, kept once it was rendered.

    ser-tl train --help   renders for seconds, since options know their types from the modules that use them
    ser-tl train --help   again: printed from CACHE/help/train.txt, without importing them

A text is printed again only for the same sources (names, sizes and times of all modules), the same plug-ins among the
installed packages, Python and terminal width.
"""

import io
import shutil
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from hashlib import sha256
from pathlib import Path

from ser_tl.errors import StorageError
from ser_tl.files import write_text
from ser_tl.registry import installed
from ser_tl.user_cache import find_cache_folder

PACKAGE = Path(__file__).parents[1]


def is_help(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for the short help and nothing else."""
    return len(arguments) == 1 and arguments[0] in ("-h", "--help")


def print_kept_help(name: str, recipe: Path) -> bool:
    """Prints a command's help if it was kept; whether it was.

    Args:
        name: the command
        recipe: its file
    """
    with suppress(OSError, UnicodeDecodeError, StorageError):  # no home folder, no file: it is rendered
        key, _, text = _file(name).read_text(encoding="utf-8").partition("\n")
        if key == _digest_sources(recipe):
            sys.stdout.write(text)
            return True
    return False


@contextmanager
def keep_help(name: str, recipe: Path) -> Generator[None]:
    """Prints what is written to standard output in the block, and keeps it if the block ends the program with 0.

    Args:
        name: the command
        recipe: its file
    """
    written = io.StringIO()
    try:
        with redirect_stdout(written):
            yield
    except SystemExit as ended:
        if not ended.code:
            with suppress(OSError, StorageError):  # a cache that can't be written to is none
                _file(name).parent.mkdir(parents=True, exist_ok=True)
                write_text(_file(name), f"{_digest_sources(recipe)}\n{written.getvalue()}", durable=False)
        raise
    finally:
        sys.stdout.write(written.getvalue())


def _file(name: str) -> Path:
    return find_cache_folder() / "help" / f"{name}.txt"


def _digest_sources(recipe: Path) -> str:
    """A digest of all that the text depends on."""
    parts = [sys.version, str(shutil.get_terminal_size().columns)]
    for group in sorted(name for name in installed().groups if name.startswith("ser_tl.")):
        plugins = installed().select(group=group)
        parts += sorted(f"{group} {entry.name} {entry.value} {entry.dist and entry.dist.version}" for entry in plugins)
    for path in [recipe, *sorted(PACKAGE.rglob("*.py"))]:
        status = path.stat()
        parts.append(f"{path} {status.st_size} {status.st_mtime_ns}")
    return sha256("\n".join(parts).encode()).hexdigest()
