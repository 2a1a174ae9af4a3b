"""The models that a server answers with; one can be replaced while requests are under way.

    {name: folder} -> ModelStore.find(name) -> ServedModel: a session, its name, its version

A request keeps the model that it began with, so that reloading loses none.
"""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ser_tl.assets import asset
from ser_tl.data.audio import SAMPLE_RATE
from ser_tl.errors import SerTlError
from ser_tl.inference import Predictor
from ser_tl.inference.session import BUNDLED, BUNDLED_INT8, OutputRequest, Session
from ser_tl.serving.request_error import RequestError


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A model that is loaded.

    Args:
        name: under which it is served
        version: of its files: the first 12 digits of their SHA-256
        session: what computes it
    """

    name: str
    version: str
    session: Session


def load_model(name: str, source: str | None, device: str | None) -> ServedModel:
    """Loads a model and lets it compute once: the first time takes longer.

    Args:
        name: under which it is served
        source: folder, or name on a hub; the bundled model if None
        device: where a model in torch computes; a GPU if there is one

    Raises:
        CheckpointError: there is no such model, or it is damaged
    """
    folder = find_bundled(device) if source is None else source
    session = Predictor(folder, device=device).session
    # A model of a hub lies in a folder of this machine, which a model in torch knows.
    home = getattr(getattr(session, "model", None), "home", None) or Path(folder)
    noise = np.random.default_rng(0).normal(0, 0.1, (1, SAMPLE_RATE)).astype(np.float32)
    session.run(noise, np.array([SAMPLE_RATE], dtype=np.int64), OutputRequest())
    return ServedModel(name, _digest(home), session)


def find_bundled(device: str | None = None) -> Path:
    """The folder of the bundled model: of its INT8 export where onnxruntime is installed, which needs no torch.

    Args:
        device: where a model in torch computes; exports compute on the CPU
    """
    exported = device in (None, "cpu") and find_spec("onnxruntime") is not None
    return asset(BUNDLED_INT8 if exported else BUNDLED)


class ModelStore:
    """The models by name. Threads may share it.

    Args:
        sources: folder, or name on a hub, by name; the bundled model if empty
        device: where models in torch compute; a GPU if there is one
        load: loads one, as `load_model` does

    Raises:
        CheckpointError: there is no such model, or it is damaged
    """

    def __init__(
        self,
        sources: dict[str, str],
        device: str | None = None,
        load: Callable[[str, str | None, str | None], ServedModel] = load_model,
    ) -> None:
        self._load_model = load
        self._sources: dict[str, str | None] = {**sources} or {BUNDLED: None}
        self._device = device
        self._reloading = threading.Lock()
        self._models = self._load()

    @property
    def models(self) -> list[ServedModel]:
        """All models; the first is the default."""
        return list(self._models.values())

    def find(self, name: str | None) -> ServedModel:
        """The model of a name, the first if None.

        Raises:
            RequestError: 404, there is none
        """
        models = self._models
        if name is None:
            return next(iter(models.values()))
        if name not in models:
            raise RequestError(404, f"no model is called {name!r}: there are {', '.join(models)}")
        return models[name]

    def reload(self) -> list[ServedModel]:
        """Loads all models again from where they came; all of them are replaced, or none.

        Returns:
            Those whose files have changed.

        Raises:
            SerTlError: one can't be loaded; the old ones stay
        """
        with self._reloading:
            before, models = self._models, self._load()
            self._models = models
            return [model for name, model in models.items() if model.version != before[name].version]

    def _load(self) -> dict[str, ServedModel]:
        return {name: self._load_model(name, source, self._device) for name, source in self._sources.items()}


def _digest(folder: Path) -> str:
    """A digest of the files in a folder."""
    total = hashlib.sha256()
    try:
        for path in sorted(entry for entry in folder.iterdir() if entry.is_file()):
            with path.open("rb") as file:
                total.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        raise SerTlError(f"{folder}: can't be read ({error.strerror}): check the folder's permissions") from error
    return total.hexdigest()[:12]
