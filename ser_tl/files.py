"""One way to write a file: whole or not at all, and readable by whom the umask says.

    with write_atomically(path) as part:   # a new, empty file in the folder of `path`
        save_file(tensors, part)           # any library that takes a path
    # the file is on disk, has the permissions that open() would give it, and only then takes its name

A process killed in between leaves the old file as it was, and a part (`.NAME.*.part`) that nothing reads. Libraries
that go through a private temporary file, safetensors among them, leave files that only their owner can read: here
permissions are those of any other new file. Independent of what is written.
"""

import errno
import os
import re
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ser_tl.errors import StorageError

_CANT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}  # whatever is written, not what was read for it
_MIB = 2**20


@contextmanager
def write_atomically(
    path: str | Path, *, size: int | None = None, durable: bool = True, overwrite: bool = True
) -> Generator[Path]:
    """A path to write to, which becomes `path` if the block ends without an error, and is removed if not.

    Args:
        path: the file; one that is there is replaced, in one step
        size: bytes that are going to be written, where known: a disk without room for them is refused at once
        durable: wait until the file is on the disk, so that it outlives a power cut; costs milliseconds
        overwrite: False leaves a file alone that is there when the block ends, and drops what was written

    Yields:
        A new file in the folder of `path`. Its name doesn't end as that of `path`: tell a library the format.

    Raises:
        StorageError: the folder isn't there, or the file can't be written: permissions, a full disk, a quota
    """
    path = Path(path)
    _check_room(path, size)
    part = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}.part")
    try:
        with _clear_errors(path, keep_own=True):
            permissions = _create(part)
        with _clear_errors(path):
            yield part
        with _clear_errors(path, keep_own=True):
            part.chmod(permissions)
            if durable:
                _sync(part)
            if overwrite:
                part.replace(path)
            else:
                _name_once(part, path)
            if durable:
                _sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: str | Path, text: str, *, durable: bool = True) -> None:
    """Writes a text file (UTF-8, line breaks as they are), whole or not at all.

    Raises:
        StorageError: as `write_atomically`
    """
    data = text.encode("utf-8")
    with write_atomically(path, size=len(data), durable=durable) as part:
        part.write_bytes(data)


def follow_umask(folder: str | Path) -> None:
    """Gives the files of a folder the permissions that a new one there would have, after a library wrote them its way.

    Args:
        folder: whose own files count, not those of folders in it

    Raises:
        StorageError: the folder can't be written to
    """
    folder = Path(folder)
    probe = folder / f".{secrets.token_hex(4)}.part"
    with _clear_errors(probe, keep_own=True):
        permissions = _create(probe)
        probe.unlink()
        for path in folder.iterdir():
            if path.is_file() and not path.is_symlink():
                path.chmod(permissions)


def _create(part: Path) -> int:
    """Makes an empty file. Returns its permissions: the umask's, or a default access list's of the folder."""
    handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        return os.fstat(handle).st_mode & 0o777
    finally:
        os.close(handle)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)  # Windows syncs only what is open for writing
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _name_once(part: Path, path: Path) -> None:
    """Gives a file its name unless another has it: in one step, where the file system has hard links."""
    try:
        os.link(part, path)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EACCES, None):
            raise
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # the name is claimed by one alone
        except FileExistsError:
            return
        part.replace(path)


def _sync_folder(folder: Path) -> None:
    """Puts a new name on disk, where folders can be opened (not on Windows) and synced (not on some network disks)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


def _check_room(path: Path, size: int | None) -> None:
    if size is None or not path.parent.is_dir():
        return
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise StorageError(
            f"{path}: {_mib(size)} are to be written and {_mib(free)} are free on that disk: make room there, "
            "or give a folder on another disk"
        )


@contextmanager
def _clear_errors(path: Path, *, keep_own: bool = False) -> Generator[None]:
    """Turns errors of writing into one sentence: all of the system's where the operation is our `own`."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        number = _error_number(error)
        if number is None or not (keep_own or number in _CANT_WRITE):
            raise
        raise StorageError(f"{path}: can't be written ({os.strerror(number)}): {_way_out(path, number)}") from error


def _error_number(error: Exception) -> int | None:
    """The system's number of an error; libraries written in Rust, as safetensors is, have it in their text only."""
    if isinstance(error, OSError):
        return error.errno
    match = re.search(r"\(os error (\d+)\)", str(error))
    return int(match[1]) if match else None


def _way_out(path: Path, number: int) -> str:
    folder = path.parent
    if number in (errno.ENOSPC, errno.EDQUOT) and folder.is_dir():
        free = _mib(shutil.disk_usage(folder).free)
        whose = "of your quota" if number == errno.EDQUOT else f"on the disk ({free} are free)"
        return f"make room in {folder}, which needs more {whose}, or give a folder on another disk"
    if not folder.is_dir():
        return f"there is no folder {folder}: make it first, or give another"
    if number == errno.EFBIG:
        return f"the process may write no larger file in {folder}: raise the limit (ulimit -f), or give another folder"
    return f"give a path that you may write to, or mend the permissions of {folder}"


def _mib(size: int) -> str:
    return f"{size / _MIB:.1f} MiB"
