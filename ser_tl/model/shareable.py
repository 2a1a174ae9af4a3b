"""What may go to a hub: a model's folder, an adapter's, or a card alone; never a run or a corpus by mistake.

    folder --check_shareable()--> its files, or an error that suggests a folder

A run holds the paths of a machine and the names of speakers, a folder of recordings holds voices. What was pushed can't
be called back.
"""

from pathlib import Path

from ser_tl.errors import CheckpointError, listing
from ser_tl.hub.base import files_of
from ser_tl.model.serialization import ADAPTER, EXTRACTOR_FILE, MODEL, REMOTE_FILE, Layout, read_folder

CARD_FILE = "README.md"
_LIBRARY = "library_name: ser_tl"
_BESIDE = {CARD_FILE, "LICENSE", "LICENSE.txt", "NOTICE", "CITATION.cff"}
_FILES = {
    MODEL: {MODEL.config, MODEL.weights, REMOTE_FILE, EXTRACTOR_FILE},
    ADAPTER: {ADAPTER.config, ADAPTER.weights},
}
_PICTURES = (".png", ".svg", ".jpg")


def check_shareable(folder: Path) -> list[tuple[str, int]]:
    """Checks that a folder is a model's, an adapter's, or holds the card of several models that lie elsewhere.

    Args:
        folder: what is to be pushed

    Returns:
        Name and size in bytes of each file that a push takes along.

    Raises:
        CheckpointError: it is none of these, is damaged, or holds other files too
        HubError: it isn't there, or empty
    """
    files = dict(files_of(folder))
    card = files.get(CARD_FILE)
    layout = next((candidate for candidate in _FILES if {candidate.config, candidate.weights} <= files.keys()), None)
    if layout is not None:
        what, expected = layout.with_article, _BESIDE | _FILES[layout]
        _check_anonymous(folder, layout)
    elif card is not None and _LIBRARY in card.read_text(encoding="utf-8", errors="replace"):
        what, expected = "a card", _BESIDE
    else:
        raise CheckpointError(
            f"{folder}: neither a model nor an adapter, so it isn't pushed; {_suggest_folder(folder)}"
        )
    others = [name for name in files if name not in expected and not ("/" not in name and name.endswith(_PICTURES))]
    if others:
        raise CheckpointError(
            f"{folder}: holds {what} and {len(others)} other files, which aren't pushed by mistake: move them "
            f"elsewhere (ser_tl.push_folder pushes any folder as it is)\n{listing(others)}"
        )
    return [(name, path.stat().st_size) for name, path in files.items()]


def _check_anonymous(folder: Path, layout: Layout) -> None:
    """Refuses what is damaged, and names of training speakers, which earlier versions saved as they were."""
    names = read_folder(folder, layout).config.get("known_speakers")
    if isinstance(names, list) and names:
        again = {
            MODEL: f"EmotionModel.from_pretrained({str(folder)!r}).save_pretrained(...)",
            ADAPTER: f"save_adapter(load_adapter({str(folder)!r}), ...)",
        }
        raise CheckpointError(
            f"{folder}: an earlier version of ser_tl saved it with the names of {len(names)} training speakers, which "
            f"everyone could read: save it again, {again[layout]}, and push that folder"
        )


def _suggest_folder(folder: Path) -> str:
    models = [
        path.parent
        for depth in ("", "*/", "*/*/", "*/*/*/")  # of a run, a fold, a seed's fold, a compared system's
        for layout in (MODEL, ADAPTER)
        for path in sorted(folder.glob(f"{depth}{layout.kind}/{layout.config}"))
        if (path.parent / layout.weights).is_file()
    ]
    if not models and (folder / "config.yaml").is_file():
        return "this is a run's folder, and it has no model: has its training ended?"
    if not models:
        return (
            "a run's model is in RUN/model. A folder of another kind (an encoder, a corpus) goes to a hub by "
            "ser_tl.push_folder, which checks nothing"
        )
    return f"this is a run's folder. Push its {models[0].name}:\n{listing(models)}"
