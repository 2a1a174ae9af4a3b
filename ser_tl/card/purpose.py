"""The intended purpose on a card that exists: asked for before everyone can see the model, and filled in.

check_purpose(folder) -> or refused      state_purpose(folder, text) -> README.md states it
"""

from pathlib import Path

from ser_tl.card.card import CARD_FILE
from ser_tl.card.trust import NOT_STATED
from ser_tl.errors import ConfigError
from ser_tl.files import write_text


def check_purpose(folder: Path) -> None:
    """Refuses a card of ser_tl that leaves the purpose open.

    Raises:
        ConfigError: it does
    """
    path = folder / CARD_FILE
    if path.is_file() and NOT_STATED in path.read_text(encoding="utf-8"):
        raise ConfigError(
            f"{path}: doesn't state what the model is for, and everyone could see it: add `purpose` 'WHAT IT IS FOR', "
            f"or write it there under Intended purpose"
        )


def state_purpose(folder: Path, purpose: str) -> None:
    """Writes the purpose into a card that leaves it open.

    Raises:
        ConfigError: the card states another, or there is none
    """
    path = folder / CARD_FILE
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if NOT_STATED not in text:
        raise ConfigError(f"{path}: no card that leaves the purpose open: edit it there, or leave `purpose` out")
    write_text(path, text.replace(NOT_STATED, purpose.strip()))
