"""A repository on the Hugging Face hub, or on any server that speaks its protocol ($HF_ENDPOINT).

All of it goes through huggingface_hub: its token, its cache, its protocol for large files. A push that failed is
resumed by pushing again: files that reached the hub whole are known there by their digest and aren't sent twice (with
hf_xet installed, neither are the chunks of a file that was cut off). What goes wrong becomes a HubError without the
token in it, and says what to do.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import (
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from ser_tl.errors import HubError
from ser_tl.hub.base import MAIN, PushResult, Repository, files_of

_LOG_IN = "`hf auth login` keeps one on this machine, the environment variable HF_TOKEN holds one for a session"
Found = TypeVar("Found")


class HuggingFaceRepository(Repository):
    """A model repository.

    Args:
        name: owner and repository
        token: huggingface_hub's own if None
    """

    def __init__(self, name: str, token: str | None = None) -> None:
        self.name = name
        self.token = token
        self.api = HfApi(token=token, library_name="ser_tl")

    def push(self, folder: Path, *, branch: str, message: str, tag: str | None, private: bool) -> PushResult:
        """Adds a folder's files to a branch."""
        self._ask(lambda: self.api.create_repo(self.name, private=private, exist_ok=True))
        if branch != MAIN:
            self._ask(lambda: self.api.create_branch(self.name, branch=branch, exist_ok=True))
        added = [CommitOperationAdd(name, path) for name, path in files_of(folder)]
        done = self._ask(lambda: self.api.create_commit(self.name, added, commit_message=message, revision=branch))
        if tag is not None:
            self._ask(lambda: self.api.create_tag(self.name, tag=tag, tag_message=message, revision=done.oid))
        return PushResult(self.name, branch, done.oid, f"{self.api.endpoint}/{self.name}/tree/{branch}")

    def pull(self, revision: str) -> Path:
        """The folder of a version in huggingface_hub's cache; without network, what was pulled before."""
        return Path(self._ask(lambda: self.api.snapshot_download(self.name, revision=revision), revision))

    def _ask(self, call: Callable[[], Found], revision: str = MAIN) -> Found:
        """What the hub answers.

        Raises:
            HubError: it can't be reached or refuses
        """
        try:
            return call()
        except (HTTPError, OSError, RuntimeError, ValueError) as error:  # RuntimeError: of a large file's upload
            root = error.__cause__ if type(error) is RuntimeError and isinstance(error.__cause__, Exception) else error
            raise HubError(self._without_token(f"{self.name}: {self._way_out(root, error, revision)}")) from error

    def _way_out(self, root: Exception, error: Exception, revision: str) -> str:
        status = root.response.status_code if isinstance(root, HfHubHTTPError) and root.response is not None else 0
        reason = " ".join(str(error).split())
        if isinstance(root, OfflineModeIsEnabled):
            return "HF_HUB_OFFLINE forbids the network here: unset it, or push to a folder (file:///teamhub/name/repo)"
        if isinstance(root, LocalEntryNotFoundError):
            return (
                f"the hub {self.api.endpoint} can't be reached, and revision {revision} isn't in the cache "
                f"({_first_line(root)}). Check the network; a folder works without (file:///teamhub/name/repo)"
            )
        if isinstance(root, RevisionNotFoundError):
            return f"there is no revision {revision!r}: the repository's page lists its branches and tags"
        if isinstance(root, RepositoryNotFoundError):
            return (
                f"no such repository on {self.api.endpoint}, or a private one that "
                f"{'this token' if self._secret() else 'nobody without a token'} can see. Check the name; {_LOG_IN}"
            )
        if status == 401:
            return (
                f"{self.api.endpoint} knows no such token, or it has expired. Get another from its settings; {_LOG_IN}"
            )
        if status == 403:
            owner = self.name.partition("/")[0]
            return f"the token may not do this ({reason}): it needs the right to write to {owner}; {_LOG_IN}"
        if status == 409:
            return f"{reason}. A tag that exists never moves: choose another one"
        return f"{reason}. Pushing again sends only what is missing"

    def _secret(self) -> str | None:
        return self.token or get_token()

    def _without_token(self, text: str) -> str:
        secret = self._secret()
        return text.replace(secret, "...") if secret else text


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
