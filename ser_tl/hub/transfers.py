"""A folder's way to a hub and back, whichever hub the address means."""

from pathlib import Path

from ser_tl.hub.address import Address, check_revision
from ser_tl.hub.base import MAIN, PushResult, Repository, files_of
from ser_tl.hub.directory import DirectoryRepository
from ser_tl.hub.huggingface import HuggingFaceRepository


def push_folder(
    folder: str | Path,
    repo: str,
    *,
    revision: str | None = None,
    commit_message: str = "Push a folder",
    tag: str | None = None,
    private: bool = True,
    token: str | None = None,
) -> PushResult:
    """Puts a folder's files on a hub. Calling it again sends only what the hub doesn't have yet.

    Args:
        folder: what is pushed; hidden files and unfinished ones (.part) stay behind
        repo: an id on the hub (name/repo), or a folder that is the hub (file:///teamhub/name/repo); @branch may follow
        revision: the branch; the address' own or main if None
        commit_message: what a reader of the history sees
        tag: a name for this version that never moves
        private: of a repository that is new on the hub; one that exists stays as it is. Who may read a folder is for
            the file system to say
        token: for the hub; huggingface_hub's own ($HF_TOKEN, `hf auth login`) if None. It is never written anywhere

    Raises:
        HubError: nothing to push, or the hub can't be reached or refuses; the message names the way out
    """
    address, folder = Address.read(repo), Path(folder)
    branch = revision or address.revision or MAIN
    for name in filter(None, (branch, tag)):
        check_revision(name)
    next(files_of(folder))
    return _open(address, token).push(folder, branch=branch, message=commit_message, tag=tag, private=private)


def pull_folder(repo: str, *, revision: str | None = None, token: str | None = None) -> Path:
    """A folder with the files of one version, in huggingface_hub's cache or in the folder that is the hub.

    Args:
        repo: as for `push_folder`
        revision: a branch, a tag or a commit; the address' own or main if None
        token: for the hub; huggingface_hub's own if None

    Raises:
        HubError: no such repository or revision, or the hub can't be reached and nothing is cached
    """
    address = Address.read(repo)
    wanted = revision or address.revision or MAIN
    check_revision(wanted)
    return _open(address, token).pull(wanted)


def _open(address: Address, token: str | None) -> Repository:
    if address.folder is not None:
        return DirectoryRepository(address.folder, address.text)
    return HuggingFaceRepository(address.text, token)
