"""A repository in a folder, for teams without a hub: a shared disk is enough.

    /teamhub/name/repo/snapshots/COMMIT/...    the files of a version, whole; nothing in it ever changes
                       refs/branches/main      which COMMIT a branch stands at, as text
                       refs/tags/v1.0          likewise, and never moved
                       history.jsonl           one line a push: time, branch, commit, message

COMMIT is a digest of names and contents: the same files are the same version, and two pushes of them can't disagree.
Files that a branch had already are hard links where the disk has these. A version is copied under another name and
renamed when whole, so that no reader ever sees half of one; a push that was cut off goes on with the next file. Two
pushes of different files to one branch at the same time are both kept as versions, and the later one names the branch.
"""

import hashlib
import json
import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from ser_tl.errors import HubError
from ser_tl.files import write_atomically, write_text
from ser_tl.hub.base import PushResult, Repository, files_of

SNAPSHOTS, BRANCHES, TAGS = Path("snapshots"), Path("refs/branches"), Path("refs/tags")
HISTORY = "history.jsonl"
_COMMIT = re.compile(r"[0-9a-f]{7,40}")


class _Version(NamedTuple):
    """The files of a version by name, and which of them the branch had already."""

    commit: str
    tree: dict[str, Path]
    unchanged: set[str]


class DirectoryRepository(Repository):
    """A repository in a folder.

    Args:
        root: the folder; its hub is the folder two levels up
        name: what messages call it
    """

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.name = name

    def push(self, folder: Path, *, branch: str, message: str, tag: str | None, private: bool) -> PushResult:  # noqa: ARG002
        """Adds a folder's files to a branch; who may read them, the folder's permissions say."""
        hub = self.root.parent.parent
        if not hub.is_dir():
            raise HubError(f"{self.name}: there is no hub {hub}; make that folder first, or correct the path")
        if self.root.is_dir() and not is_repository(self.root) and not self._is_begun():
            raise HubError(f"{self.root} holds other files than a repository's: choose another name")
        if self._at(TAGS / branch) is not None:
            raise HubError(f"{self.name}: {branch} is a tag, and can't be a branch too: choose another name")
        if tag is not None and (tag == branch or self._at(BRANCHES / tag) is not None):
            raise HubError(f"{self.name}: {tag} is a branch, and can't be a tag too: choose another name")
        try:
            version = self._version(dict(files_of(folder)), self._at(BRANCHES / branch))
            if tag is not None and self._at(TAGS / tag) not in (None, version.commit):
                raise self._tag_error(tag)
            self._store(version)
            if tag is not None:
                self._fix(tag, version.commit)
            self._point(BRANCHES / branch, version.commit)
            line = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "branch": branch, "tag": tag}
            with (self.root / HISTORY).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line | {"commit": version.commit, "message": message}) + "\n")
        except OSError as error:
            raise HubError(
                f"{self.name}: can't be written ({error}). What was copied whole is kept: push again when the disk has "
                f"room and you may write there"
            ) from error
        return PushResult(self.name, branch, version.commit, str(self.root / SNAPSHOTS / version.commit))

    def pull(self, revision: str) -> Path:
        """The folder of a version, in place."""
        if not is_repository(self.root):
            raise HubError(f"{self.name}: no repository there; push one first, or correct the path")
        commit = self._at(BRANCHES / revision) or self._at(TAGS / revision)
        if commit is None and _COMMIT.fullmatch(revision):
            named = sorted(path.name for path in (self.root / SNAPSHOTS).glob(f"{revision}*"))
            commit = named[0] if len(named) == 1 else None
        if commit is None:
            there = [str(path.relative_to(self.root / kind)) for kind in (BRANCHES, TAGS) for path in self._refs(kind)]
            raise HubError(f"{self.name} has no revision {revision!r}: there are {', '.join(there)}, and commits")
        return self.root / SNAPSHOTS / commit

    def _is_begun(self) -> bool:
        """Whether the folder is empty, or holds what another push has just begun to make."""
        return {path.name for path in self.root.iterdir()} <= {SNAPSHOTS.parts[0], BRANCHES.parts[0]}

    def _version(self, files: dict[str, Path], head: str | None) -> _Version:
        """What a branch would hold with these files."""
        before = {} if head is None else dict(files_of(self.root / SNAPSHOTS / head))
        digest = {path: _digest(path) for path in {*before.values(), *files.values()}}
        unchanged = {
            name: path for name, path in before.items() if name not in files or digest[path] == digest[files[name]]
        }
        tree = dict(sorted((files | unchanged).items()))
        listing = "".join(f"{digest[path]}  {name}\n" for name, path in tree.items())
        return _Version(hashlib.sha256(listing.encode()).hexdigest()[:40], tree, set(unchanged))

    def _store(self, version: _Version) -> None:
        """Copies what isn't there yet."""
        snapshot = self.root / SNAPSHOTS / version.commit
        temporary = snapshot.with_name(f".{version.commit}.part")
        for name in (SNAPSHOTS, BRANCHES):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        try:
            for name, path in {} if snapshot.is_dir() else version.tree.items():
                if not (temporary / name).is_file():
                    _put(path, temporary / name, self.root / SNAPSHOTS, link=name in version.unchanged)
            if not snapshot.is_dir():
                temporary.replace(snapshot)
        except OSError:
            if not snapshot.is_dir():  # else another push of the very same files was quicker
                raise
        shutil.rmtree(temporary, ignore_errors=True)

    def _refs(self, kind: Path) -> list[Path]:
        return sorted(path for path in (self.root / kind).rglob("*") if path.is_file() and path.suffix != ".part")

    def _at(self, ref: Path) -> str | None:
        path = self.root / ref
        return path.read_text(encoding="ascii").strip() if path.is_file() else None

    def _fix(self, tag: str, commit: str) -> None:
        """Makes a tag, of which only one of several pushes at once can be the maker."""
        path = self.root / TAGS / tag
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path, overwrite=False) as part:
            part.write_text(f"{commit}\n", encoding="ascii")
        if self._at(TAGS / tag) != commit:
            raise self._tag_error(tag)

    def _tag_error(self, tag: str) -> HubError:
        return HubError(f"{self.name}: the tag {tag} is taken, and tags never move: choose another one")

    def _point(self, ref: Path, commit: str) -> None:
        path = self.root / ref
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, f"{commit}\n")


def is_repository(folder: Path) -> bool:
    """Whether a folder holds a repository's versions."""
    return (folder / SNAPSHOTS).is_dir() and (folder / BRANCHES).is_dir()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _put(source: Path, target: Path, scratch: Path, *, link: bool) -> None:
    """Puts a file into a version, whole or not at all, and never to be written again."""
    temporary = scratch / f".{uuid4().hex}.part"  # others may rename the version's folder while this file is copied
    try:
        if not (link and _link(source, temporary)):
            shutil.copyfile(source, temporary)
            temporary.chmod(temporary.stat().st_mode & 0o444)  # for whom the umask says, and for nobody to write
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> bool:
    """Whether the disk has hard links; makes one."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True
