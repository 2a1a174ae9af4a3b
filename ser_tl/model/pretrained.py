"""Saving a model to a folder or a hub, and loading it.

model --save_pretrained--> folder --from_pretrained--> model
--save_with_card--> a scratch folder --push_folder--> "name/repo" or "file:///teamhub/name/repo"

A model that is made of a saved one (adapted, calibrated anew, compressed) learned from the same recordings, so that it
is saved with a card that has their terms.
"""

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from torch import nn

from ser_tl.encoders import Encoder
from ser_tl.errors import CheckpointError, SerTlError
from ser_tl.model.description import build_encoder, check_description, limit_parameters
from ser_tl.model.serialization import SavedFolder, carry_over, model_folder, read_folder, write_folder, write_remote
from ser_tl.model.speakers import KnownSpeakers
from ser_tl.model.weights import reason

if TYPE_CHECKING:
    from ser_tl.hub import PushResult


class Origin(NamedTuple):
    """What a model was made of, for its card.

    Attributes:
        base: folder of the model that it was made of; None where that was never saved
        note: what was done to it
        corpora: names of those that parts of it were fitted on anew
    """

    base: Path | None
    note: str
    corpora: tuple[str, ...] = ()


class PretrainedMixin(nn.Module):
    """A model that can be saved, loaded and pushed to a hub.

    Attributes:
        home: the folder that it was loaded from or saved to; None before
        origin: what it was made of; None where it wasn't made of another model
    """

    home: Path | None = None
    origin: Origin | None = None
    _known_speakers = KnownSpeakers({})

    @property
    @abstractmethod
    def description(self) -> dict[str, Any]:
        """All but the weights, as JSON: what `from_description` needs."""

    @classmethod
    @abstractmethod
    def from_description(cls, config: dict[str, Any], source: Path, encoder: Encoder | None = None) -> Self:
        """A model with random weights above the encoder.

        Args:
            config: a model's `description`
            source: where it was read, for messages
            encoder: the encoder; one with random weights, of the described architecture, if None
        """

    @property
    def known_speakers(self) -> KnownSpeakers:
        """Speakers of training and dev, stored as hashes; evaluations on them are refused."""
        return self._known_speakers

    @known_speakers.setter
    def known_speakers(self, speakers: KnownSpeakers | Iterable[str]) -> None:
        """Accepts names as well, which aren't stored."""
        self._known_speakers = speakers if isinstance(speakers, KnownSpeakers) else KnownSpeakers.from_names(speakers)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes config.json and model.safetensors. Both are whole or not there, wherever the process is killed.

        Who loads the folder meanwhile gets the model that was there before or this one, never a mixture.

        Adapters are merged into the weights that are written, and stay as they are in the model. A model that was made
        of another one (`origin`) gets a card, README.md, with the other's training data and terms.
        """
        self.write_files(Path(folder))
        if self.origin is not None:
            self._write_card(Path(folder), self.origin.base)
        self.home = Path(folder)

    def write_files(self, folder: Path) -> None:
        """Writes config.json and model.safetensors alone; the model's home stays."""
        from ser_tl.model.peft_state import merged_state  # peft: not needed to load a model or to predict

        write_folder(folder, self.description, merged_state(self))

    def save_with_card(self, folder: Path, repo: str = "") -> None:
        """Writes the model with its card; the model's home stays.

        The card, and what else lies in the home, goes along if the model is still the one in that folder; else the card
        says what is known without a run.

        Args:
            folder: where it goes
            repo: where the model will be, for the card's example; empty if it isn't for a hub
        """
        self.write_files(folder)
        if not carry_over(self.home, folder):
            self._write_card(folder, self.home or (self.origin and self.origin.base), repo)

    def derive_from(self, base: "PretrainedMixin", note: str, corpora: Iterable[str] = ()) -> None:
        """Notes that the model was made of another one, or of itself as it was, whose data and terms hold for it.

        Args:
            base: what it was made of
            note: what was done, for its card
            corpora: names of those that parts of it were fitted on anew
        """
        origin = Origin(base.home, note, tuple(corpora))
        if base.home is None and base.origin is not None:  # it was never saved: its card is its own base's
            earlier = base.origin
            origin = Origin(earlier.base, f"{earlier.note} {note}", (*earlier.corpora, *origin.corpora))
        self.origin, self.home = origin, None

    def _write_card(self, folder: Path, base: Path | None, repo: str = "") -> None:
        from ser_tl.card import write_card  # corpora and reports: not needed to load a model or to predict

        _, note, corpora = self.origin or Origin(None, "")
        write_card(folder, repo=repo, note=note, base=base, facts={"corpora": sorted(set(corpora))})

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
        saved = read_folder(folder)
        model = cls.from_saved(saved)
        model.load_state_dict(saved.check_weights(model.state_dict()))
        model.home = folder
        return model.eval()

    @classmethod
    def from_saved(cls, saved: SavedFolder, encoder: Encoder | None = None) -> Self:
        """The model that a folder's config describes, with random weights above the encoder.

        Args:
            saved: the folder
            encoder: the encoder; one with random weights, of the described architecture, if None

        Raises:
            CheckpointError: it describes no model, or a larger one than its weights
        """
        config, source, weights = saved.config, saved.folder / saved.layout.config, saved.weights.values()
        check_description(config, source)
        encoder = encoder or build_encoder(config, source, weights)
        try:
            with limit_parameters(source, weights):
                model = cls.from_description(config, source, encoder)
        except CheckpointError:
            raise
        except (SerTlError, RuntimeError, MemoryError) as error:  # torch's, where a number asks for terabytes
            raise CheckpointError(
                f"{source}: not the config of a ser_tl model ({reason(error)}); save the model again"
            ) from error
        model.known_speakers = KnownSpeakers.from_json(config.get("known_speakers"), source)
        return model

    def push_to_hub(
        self,
        repo: str,
        *,
        revision: str | None = None,
        commit_message: str = "Push a model",
        tag: str | None = None,
        private: bool = True,
        token: str | None = None,
    ) -> "PushResult":
        """Puts the model on a hub, with its card. Calling it again sends only what the hub doesn't have yet.

        Its card goes along, as `save_with_card` says.

        Args:
            repo: an id on the hub (name/repo), or a folder that is the hub (file:///teamhub/name/repo); @branch may
                follow
            revision: the branch; the address' own or main if None
            commit_message: what a reader of the history sees
            tag: a name for this version that never moves
            private: of a repository that is new on the hub; one that exists stays as it is
            token: for the hub; huggingface_hub's own ($HF_TOKEN, `hf auth login`) if None. It is never written anywhere

        Raises:
            HubError: the hub can't be reached or refuses; the message names the way out
        """
        from ser_tl.hub import push_folder

        with TemporaryDirectory(prefix="ser_tl_push_") as scratch:
            folder = Path(scratch)
            self.save_with_card(folder, repo)
            write_remote(folder)
            return push_folder(
                folder, repo, revision=revision, commit_message=commit_message, tag=tag, private=private, token=token
            )
