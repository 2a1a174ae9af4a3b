"""The model that annotates: opened, and known by the hash of its files."""

import hashlib
from pathlib import Path

from ser_tl.archive.description import Archive, ModelFacts
from ser_tl.assets import asset
from ser_tl.errors import CheckpointError
from ser_tl.inference import Predictor
from ser_tl.inference.session import BUNDLED, find_calibration, open_session

CPU_SECONDS, GPU_SECONDS = 12.0, 60.0
"""Of audio in a batch: what stays in a processor's cache, and what fills a GPU. Rows' last bits depend on it."""

_BESIDE = (".md", ".png", ".html", ".txt")
"""Endings of what describes a model, and changes no answer."""


def open_model(name: str | None, device: str | None = None) -> tuple[Predictor, ModelFacts]:
    """A predictor and what identifies its model.

    Args:
        name: folder of a saved or exported model, or its name on a hub; the bundled one if None
        device: where a model in torch computes

    Raises:
        CheckpointError: there is no such model, or it is damaged
    """
    session = open_session(name, device)
    predictor = Predictor(session, batch_seconds=CPU_SECONDS if hasattr(session, "manifest") else GPU_SECONDS)
    # A model of a hub lies in a folder of this machine, which a model in torch knows.
    home = getattr(getattr(session, "model", None), "home", None)
    folder = home or (asset(BUNDLED) if name is None else Path(name))
    calibrated = find_calibration(session) is not None
    facts = ModelFacts(name, hash_folder(folder), predictor.labels, predictor.dimensions, calibrated)
    return predictor, facts


def open_archive_model(archive: Archive, device: str | None = None) -> Predictor:
    """The predictor of an archive's model.

    Raises:
        CheckpointError: the model's files aren't those that the archive was begun with
    """
    predictor, facts = open_model(archive.model.name, device)
    if facts.sha256 != archive.model.sha256:
        raise CheckpointError(
            f"{archive.folder}: begun with another model (sha256 {archive.model.sha256[:16]}, and "
            f"{archive.model.name or BUNDLED} is {facts.sha256[:16]} now): restore the model, or annotate into a new "
            f"folder"
        )
    return predictor


def hash_folder(folder: Path) -> str:
    """The sha256 of a model's files: weights and settings, not its card.

    Raises:
        CheckpointError: the folder can't be read
    """
    total = hashlib.sha256()
    try:
        for path in sorted(entry for entry in folder.iterdir() if entry.is_file() and entry.suffix not in _BESIDE):
            with path.open("rb") as file:
                total.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        raise CheckpointError(f"{folder}: can't be read ({error.strerror}): check the folder's permissions") from error
    return total.hexdigest()
