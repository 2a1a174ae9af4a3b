"""Where encoded audio comes from: a path, the bytes of a file, or a binary file object.

    source --open_source()--> ByteStream, which libsndfile and our own readers of headers share

What the operating system says of a path (absent, a folder, no permission, a name that can't be one) and what a file
object does wrong become `AudioError` here. Independent of formats.
"""

import io
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ser_tl.errors import AudioError

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO
"""Where encoded audio comes from: a path, the bytes of a file, or a binary file object that can seek.

A file object is read from its beginning, wherever it stands, and its position is put back. It stays open.
"""

_BUFFER = 1 << 16  # bytes read from a file at once: libsndfile asks for 8 kB, readers of headers for a few bytes


class ByteStream:
    """The bytes of a source, to be read from any position.

    libsndfile calls it from C, where an exception would be printed and lost. So `read`, `seek` and `tell` don't raise:
    the first exception is kept in `error`, and nothing more can be read.

    Args:
        raw: the file behind it
        label: what messages call it; soundfile would take a `name` for a path and believe its suffix
        size: bytes in it
    """

    def __init__(self, raw: BinaryIO, label: str, size: int) -> None:
        self.raw = raw
        self.label = label
        self.size = size
        self.error: Exception | None = None
        self._position = 0

    def read(self, count: int = -1) -> bytes:
        """At most so many bytes from here on, fewer only at the end; all that are left if negative."""
        left = max(0, self.size - self._position)
        wanted = left if count < 0 else min(count, left)
        chunks: list[bytes] = []
        while wanted and self.error is None:
            try:
                self.raw.seek(self._position)
                chunk = self.raw.read(wanted)
            except Exception as error:
                self.error = error
                break
            if not chunk:
                break
            chunks.append(chunk)
            wanted -= len(chunk)
            self._position += len(chunk)
        return b"".join(chunks)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a position, counted as `io` does."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def tell(self) -> int:
        """The position of the next byte."""
        return self._position

    def read_at(self, offset: int, count: int) -> bytes:
        """So many bytes from a position on, fewer at the end."""
        self.seek(offset)
        return self.read(count)

    def check(self) -> None:
        """Raises what went wrong while libsndfile read.

        Raises:
            AudioError: the file or file object failed
        """
        if self.error is not None:
            reason = str(self.error) or type(self.error).__name__
            raise AudioError(
                f"{self.label}: reading stopped at byte {self._position} of {self.size} ({reason}): check the disk, or "
                f"the file object"
            ) from self.error


def describe(source: Source) -> str:
    """What messages call a source: its path, or its size. Characters that can't be printed are escaped."""
    if isinstance(source, bytes | bytearray | memoryview):
        return f"audio of {memoryview(source).nbytes} bytes"
    if isinstance(source, str | os.PathLike):
        return printable(os.fspath(source))
    name = getattr(source, "name", None)  # of a file; a number where it was opened from a descriptor
    return printable(name) if isinstance(name, str) and name else f"a file object ({type(source).__name__})"


def printable(text: str) -> str:
    """A text with control characters and lone surrogates (bytes of a name that isn't UTF-8) as escapes."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


@contextmanager
def open_source(source: Source) -> Generator[ByteStream]:
    """The bytes of a source.

    Raises:
        AudioError: no such file, no file but a folder or a pipe, not permitted, empty, or no source at all
    """
    name = describe(source)
    if isinstance(source, bytes | bytearray | memoryview):
        yield ByteStream(io.BytesIO(source), name, _not_empty(name, memoryview(source).nbytes))
    elif isinstance(source, str | os.PathLike):
        with _open_path(Path(source), name) as file:
            yield ByteStream(file, name, _not_empty(name, os.fstat(file.fileno()).st_size))
    else:
        size, position = _measure(source, name)
        try:
            yield ByteStream(source, name, _not_empty(name, size))
        finally:
            if not getattr(source, "closed", False):
                source.seek(position)


def _open_path(path: Path, name: str) -> BinaryIO:
    try:
        mode = path.stat().st_mode  # before it is opened: opening a named pipe waits for who writes into it
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or device"
            raise AudioError(f"{name}: {kind}, expected a file: give the path of one recording")
        return path.open("rb", buffering=_BUFFER)
    except FileNotFoundError:
        raise AudioError(f"{name}: no such file") from None
    except NotADirectoryError:
        raise AudioError(f"{name}: no such file, a part of its path is a file and no folder") from None
    except OSError as error:
        raise AudioError(f"{name}: can't be opened ({error.strerror}): check the path and its permissions") from None
    except ValueError as error:  # a NUL, or characters that the file system can't hold
        raise AudioError(f"{name}: no name that a file can have ({error}): correct the path") from None


def _measure(file: BinaryIO, name: str) -> tuple[int, int]:
    """Size and position of a file object."""
    if not (hasattr(file, "read") and hasattr(file, "seek") and hasattr(file, "tell")):
        raise AudioError(
            f"audio of type {type(file).__name__}: expected a path, the bytes of a file, or a file in binary mode"
        )
    try:
        position = file.tell()
        content = file.read(0)
        size = file.seek(0, io.SEEK_END)
        size = file.tell() if size is None else size  # a temporary file's seek returns nothing in some versions
        file.seek(position)
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise AudioError(
            f"{name}: can't be read and sought in ({reason}): give an open file, or the bytes, `.read()`"
        ) from error
    if not isinstance(content, bytes | bytearray):
        raise AudioError(f"{name}: opened as text: open it in binary mode, `open(path, 'rb')`")
    return size, position


def _not_empty(name: str, size: int) -> int:
    if not size:
        raise AudioError(f"{name}: empty, 0 bytes: restore the file or leave it out")
    return size
