"""How a repository is named: an id on the hub, or a folder.

    "name/repo", "name/repo@branch", "file:///teamhub/name/repo", "/teamhub/name/repo" --Address.read()--> Address

It handles names only, and doesn't check whether there is such a repository.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from ser_tl.errors import HubError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
"""An id on the hub: owner and repository."""

# Of a path alone: a # or a ? in it is part of the name, as folders may have them.
_FILE_URL = re.compile(r"file:(?://(?:localhost)?)?(/(?!/).*)")
_REVISION = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)*")


@dataclass(frozen=True)
class Address:
    """A repository, and perhaps a revision of it.

    Args:
        text: as it was given, without the revision
        folder: where a folder is the hub; None on the hub
        revision: a branch, tag or commit; empty where none is named
    """

    text: str
    folder: Path | None
    revision: str = ""

    @classmethod
    def read(cls, text: str) -> Self:
        """The address that a text names.

        Raises:
            HubError: it is neither an id nor a folder
        """
        if text.startswith(("file:", "/", "./", "../", "~")):
            head, slash, last = text.rpartition("/")  # an @ further up is part of the path
            last, _, revision = last.partition("@")
            name, folder = f"{head}{slash}{last}", _folder(f"{head}{slash}{last}")
        else:
            (name, _, revision), folder = text.partition("@"), None
            if not HUB_ID.fullmatch(name):
                raise HubError(
                    f"{text!r} is no repository: expected an id on the hub (name/repo), or a folder, as in "
                    f"file:///teamhub/name/repo or /teamhub/name/repo; @branch may follow"
                )
        if revision:
            check_revision(revision)
        return cls(name, folder, revision)


def _folder(name: str) -> Path:
    if not name.startswith("file:"):
        return Path(name).expanduser()
    path = _FILE_URL.fullmatch(name)
    if path is None:
        raise HubError(f"{name}: expected three slashes and a whole path, as in file:///teamhub/name/repo")
    return Path(unquote(path[1]))


def branch_name(text: str) -> str:
    """A branch's name for a text, a speaker's name for example, with a digest where it can't hold all of it."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", text.replace("/", "-")).strip(".-")
    name = re.sub(r"\.{2,}", ".", name)
    if name == text.replace("/", "-"):
        return name
    return "-".join(filter(None, (name, hashlib.sha256(text.encode()).hexdigest()[:6])))


def check_revision(name: str) -> None:
    """Refuses what can't be the name of a branch or a tag.

    Raises:
        HubError: it has other characters than letters, digits, and . _ - / between them
    """
    if not _REVISION.fullmatch(name) or ".." in name:
        raise HubError(f"{name!r} can't name a branch or tag: use letters, digits, and . _ - or / between them")
