"""What a repository of a hub is: named versions of a folder.

Repository.push(folder, branch, message, tag) -> PushResult        Repository.pull(revision) -> folder
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ser_tl.errors import HubError

MAIN = "main"
"""The branch that is meant where none is named."""


class PushResult(NamedTuple):
    """Where a push went.

    Attributes:
        repo: the repository, as it was named
        branch: the branch that has it
        commit: the version's own name, which always means this content
        url: where a person finds it
    """

    repo: str
    branch: str
    commit: str
    url: str


class Repository(ABC):
    """Versions of a folder under one name."""

    @abstractmethod
    def push(self, folder: Path, *, branch: str, message: str, tag: str | None, private: bool) -> PushResult:
        """Adds a folder's files to a branch, as one version; makes repository and branch if there are none.

        Args:
            folder: its files go there, those of folders in it too
            branch: gets the files; the files that it has and the folder doesn't have stay
            message: what a reader of the history sees
            tag: a name for this version that never moves
            private: of a new repository: who isn't let in can't see it

        Raises:
            HubError: the hub can't be reached, or refuses
        """

    @abstractmethod
    def pull(self, revision: str) -> Path:
        """A folder with the files of a branch, a tag or a commit; not to be written to.

        Raises:
            HubError: no such repository or revision, or the hub can't be reached
        """


def files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files that a push takes along: relative POSIX path and location, sorted, without hidden and unfinished ones.

    Raises:
        HubError: there is no such folder, or there are none
    """
    files = [
        (path.relative_to(folder).as_posix(), path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.suffix != ".part"
        and not any(component.startswith(".") for component in path.relative_to(folder).parts)
    ]
    if not files:
        raise HubError(f"{folder}: {'no files in it' if folder.is_dir() else 'no such folder'}: nothing to push")
    yield from files
