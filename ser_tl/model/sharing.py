"""Putting a model on a hub.

    model --save_pretrained--> a scratch folder + card --push_folder--> "name/repo" or "file:///teamhub/name/repo"

`EmotionModel.from_pretrained` is the way back.
"""

from abc import abstractmethod
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import nn

from ser_tl.card import write_card
from ser_tl.hub import Pushed, push_folder
from ser_tl.model.folder import carry_over, write_remote


class Shared(nn.Module):
    """A model that can be pushed.

    Attributes:
        home: the folder that it was loaded from or saved to; None before
    """

    home: Path | None = None

    @abstractmethod
    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the model into a folder, which becomes its home."""

    def push_to_hub(
        self,
        repo: str,
        *,
        revision: str | None = None,
        commit_message: str = "Push a model",
        tag: str | None = None,
        private: bool = True,
        token: str | None = None,
    ) -> Pushed:
        """Puts the model on a hub, with its card. Calling it again sends only what the hub doesn't have yet.

        The card, and what else lies in the model's home, goes along if the model is still the one in that folder; else
        the card says what is known without a run.

        Args:
            repo: an id on the hub (name/repo), or a folder that is the hub (file:///teamhub/name/repo); @branch may
                follow
            revision: the branch; the address' own or main if None
            commit_message: what a reader of the history sees
            tag: a name for this version that never moves
            private: of a repository that is new on the hub; one that exists stays as it is
            token: for the hub; huggingface_hub's own ($HF_TOKEN, `hf auth login`) if None. It is never written anywhere

        Raises:
            HubError: the hub can't be reached or refuses; the message tells the way out
        """
        home = self.home
        with TemporaryDirectory(prefix="ser_tl_push_") as scratch:
            folder = Path(scratch)
            self.save_pretrained(folder)
            self.home = home
            write_remote(folder)
            if not carry_over(home, folder):
                write_card(folder, repo=repo)
            return push_folder(
                folder, repo, revision=revision, commit_message=commit_message, tag=tag, private=private, token=token
            )
