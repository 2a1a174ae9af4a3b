"""Files on this machine's disks, or wherever fsspec reaches: s3://, gs://, hf://, https://, memory:// ...

    open_file(path) -> a binary file that can seek     walk(folder) -> Entry, in one order     expand(pattern) -> paths

Local paths never need fsspec. What a storage can't do at the moment (a timeout, a lost connection) is a `StorageError`
that ends the run, to be gone on with later: whether a clip is an error row must not depend on the network's mood.
"""

import glob
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

from ser_tl.errors import AudioError, ConfigError, CorpusError, StorageError

ValueT = TypeVar("ValueT")

TRIES = 4
"""Of what a remote storage is asked, with pauses of 1, 2 and 4 seconds."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(::|://)")
_SCHEME = re.compile(r"file://|" + _URL.pattern)
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


class Entry(NamedTuple):
    """A file that was found.

    Attributes:
        path: absolute, or a URL
        name: relative to the folder that was searched, with slashes
        problem: of a folder that can't be read
    """

    path: str
    name: str
    problem: str | None = None


def is_remote(path: str) -> bool:
    """Whether fsspec has to open it."""
    return _URL.match(path) is not None and not path.startswith("file://")


def make_absolute(path: str) -> str:
    """A path that means the same in other working directories; a URL as it is."""
    return path if is_remote(path) else os.path.abspath(path.removeprefix("file://"))  # noqa: PTH100 - no symlink is followed


def join_path(folder: str, name: str) -> str:
    """A name in a list, relative to the list's folder unless it is absolute or a URL."""
    if _SCHEME.match(name) or os.path.isabs(name):  # noqa: PTH117 - of millions of names: pathlib takes ten times as long
        return make_absolute(name)
    if is_remote(folder):
        return f"{folder.rstrip('/')}/{name}"
    return os.path.normpath(f"{folder}/{name}")


def find_parent(path: str) -> str:
    """The folder of a file."""
    return path.rsplit("/", 1)[0] if is_remote(path) else str(Path(path).parent)


def open_file(path: str) -> BinaryIO:
    """A file, open for reading in binary, at any position.

    Raises:
        AudioError: there is no such file, or it may not be read
        StorageError: a remote storage doesn't answer
    """
    if is_remote(path):
        return call_filesystem(path, lambda: _filesystem(path)[0].open(_filesystem(path)[1], "rb"))
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise AudioError(f"{path}: can't be opened ({error.strerror}): check the path and its permissions") from error


def read_file(path: str) -> bytes:
    """All bytes of a remote file.

    Raises:
        AudioError: as `open_file`
        StorageError: as `open_file`
    """
    return call_filesystem(path, lambda: _filesystem(path)[0].cat_file(_filesystem(path)[1]))


def read_range(path: str, start: int, size: int) -> bytes:
    """Some bytes of a remote file, in one request.

    Raises:
        AudioError: as `open_file`
        StorageError: as `open_file`
    """
    return call_filesystem(path, lambda: _filesystem(path)[0].cat_file(_filesystem(path)[1], start, start + size))


def find_kind(path: str) -> str:
    """Whether there is a file, a folder or nothing.

    Raises:
        StorageError: a remote storage doesn't answer
    """
    if not is_remote(path):
        return "folder" if Path(path).is_dir() else "file" if Path(path).exists() else "nothing"
    try:
        info = call_filesystem(path, lambda: _filesystem(path)[0].info(_filesystem(path)[1]))
    except AudioError:
        return "nothing"
    return "folder" if info["type"] == "directory" else "file"


def walk(folder: str) -> Iterator[Entry]:
    """Every file below a folder, sorted by name in each; links are followed, circles aren't.

    Yields:
        Entries; a folder that can't be read is one with a problem.
    """
    if is_remote(folder):
        filesystem, root = _filesystem(folder)
        scheme = folder[: folder.index("://") + 3]
        for path in sorted(call_filesystem(folder, lambda: filesystem.find(root))):
            yield Entry(scheme + path.lstrip("/") if scheme != "memory://" else scheme + path, _below(path, root))
    else:
        yield from _walk_local(Path(folder), "", ())


def _walk_local(folder: Path, prefix: str, above: tuple[tuple[int, int], ...]) -> Iterator[Entry]:
    try:
        facts = folder.stat()
        identity = (facts.st_dev, facts.st_ino)
        with os.scandir(folder) as entries:
            names = sorted((entry.name, entry.is_dir()) for entry in entries)
    except OSError as error:
        problem = f"{folder}: a folder that can't be read ({error.strerror}): what is in it is missing here"
        yield Entry(str(folder), prefix, problem)
        return
    if identity in above:  # a link to a folder above: everything in it has been listed
        return
    for name, is_folder in names:
        if is_folder:
            yield from _walk_local(folder / name, f"{prefix}{name}/", (*above, identity))
        else:
            yield Entry(str(folder / name), prefix + name)


def _below(path: str, root: str) -> str:
    return path.strip("/").removeprefix(root.strip("/")).lstrip("/")


def is_pattern(path: str) -> bool:
    """Whether a path stands for several: *, ?, [] or the {000..123} of WebDataset."""
    return glob.has_magic(path) or _RANGE.search(path) is not None


def expand(pattern: str) -> list[str]:
    """The files of a pattern, sorted; those of {000..123} in its order, whether they are there or not.

    Raises:
        CorpusError: no file matches
    """
    span = _RANGE.search(pattern)
    if span is not None:
        first, last = span.groups()
        names = (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))
        return [path for name in names for path in _expand_rest(pattern[: span.start()] + name + pattern[span.end() :])]
    if is_remote(pattern):
        filesystem, inner = _filesystem(pattern)
        scheme = pattern[: pattern.index("://") + 3]
        paths = sorted(scheme + path.lstrip("/") for path in call_filesystem(pattern, lambda: filesystem.glob(inner)))
    else:
        matches = glob.iglob(pattern.removeprefix("file://"), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
        paths = sorted(make_absolute(path) for path in matches if Path(path).is_file())
    if not paths:
        raise CorpusError(f"{pattern}: a pattern that no file matches; put it into quotes, so that the shell leaves it")
    return paths


def _expand_rest(path: str) -> list[str]:
    return expand(path) if is_pattern(path) else [make_absolute(path)]


def _filesystem(path: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise ConfigError(
            f"{path}: remote storage is opened by fsspec, which isn't installed: pip install fsspec"
        ) from error
    try:
        return fsspec.core.url_to_fs(path)
    except (ImportError, ValueError) as error:  # its own messages name the package that is missing
        raise ConfigError(f"{path}: fsspec can't open it ({error})") from error


def call_filesystem(path: str, call: Callable[[], ValueT]) -> ValueT:
    """What a storage answers, asked again after pauses where it fails.

    Raises:
        AudioError: it answers that there is no such file, or that it may not be read
        StorageError: it keeps failing
    """
    for attempt in range(TRIES):
        try:
            return call()
        except FileNotFoundError:
            raise AudioError(f"{path}: no such file") from None
        except (PermissionError, IsADirectoryError) as error:
            raise AudioError(f"{path}: can't be opened ({error}): check the path and its permissions") from error
        except (AudioError, ConfigError):
            raise
        except Exception as error:  # of any client library: timeouts, resets, throttling
            if attempt == TRIES - 1:
                reason = str(error).strip() or type(error).__name__
                raise StorageError(
                    f"{path}: the storage failed {TRIES} times ({reason}): start the same command again when it "
                    f"answers; finished shards are kept"
                ) from error
            time.sleep(2.0**attempt)
    raise AssertionError("unreachable")
