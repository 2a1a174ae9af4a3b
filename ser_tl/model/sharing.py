"""A model's way to a folder or a hub, and back.

    model --save_pretrained--> folder --from_pretrained--> model
          --save_pretrained--> a scratch folder + card --push_folder--> "name/repo" or "file:///teamhub/name/repo"

Knows of a model only that it can describe itself, and be made of a description.
"""

from abc import abstractmethod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from torch import nn

from ser_tl.hub import Pushed, push_folder
from ser_tl.model.folder import (
    CONFIG_FILE,
    carry_over,
    model_folder,
    read_config,
    read_weights,
    write_folder,
    write_remote,
)


class Shared(nn.Module):
    """A model that can be kept and pushed.

    Attributes:
        home: the folder that it was loaded from or saved to; None before
    """

    home: Path | None = None

    @property
    @abstractmethod
    def description(self) -> dict[str, Any]:
        """All but the weights, as JSON: what `from_description` needs."""

    @classmethod
    @abstractmethod
    def from_description(cls, config: dict[str, Any], source: Path) -> Self:
        """A model with random weights.

        Args:
            config: a model's `description`
            source: where it was read, for messages
        """

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes config.json and model.safetensors. Both are whole or not there, wherever the process is killed.

        Adapters are folded into what is written, and stay as they are in the model.
        """
        from ser_tl.model.adapted import merged_state  # peft: not needed to load a model or to predict

        write_folder(Path(folder), self.description, merged_state(self))
        self.home = Path(folder)

    @classmethod
    def from_pretrained(cls, source: str | Path, *, revision: str | None = None, token: str | None = None) -> Self:
        """The model that `save_pretrained` or `push_to_hub` wrote, in evaluation mode.

        Args:
            source: a folder; an id on the hub (name/repo); or a folder that is the hub (file:///teamhub/name/repo)
            revision: a branch, tag or commit of a hub; main if None
            token: for a hub; huggingface_hub's own ($HF_TOKEN, `hf auth login`) if None

        Raises:
            CheckpointError: the folder isn't there, isn't a model, or is damaged
            HubError: no such repository or revision, or the hub can't be reached
        """
        folder = model_folder(source, revision, token)
        model = cls.from_description(read_config(folder), folder / CONFIG_FILE)
        model.load_state_dict(read_weights(folder, model.state_dict()))
        model.home = folder
        return model.eval()

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
        from ser_tl.card import write_card  # corpora and reports: not needed to load a model or to predict

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
